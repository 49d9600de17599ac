"""Many clients of one server for a long time: errors, memory, fair shares.

    python -m benchmarks.soak [--clients 64] [--minutes 10] [--utilisation 0.8] [--no-greedy] [--json FILE]

    core A    the clients, in two processes: a connection each, requests from several cuts of two models on
    core B    the server, one thread; its resident memory is read every second

Clients think between requests for so long that all of them together ask for the given share of what the server can
answer, which is measured first. Each has a token, so that the server knows them apart. Counting begins after a warm-up,
so that memory grows only if it is never given back. In the middle third of the time one more client keeps 32 requests
in flight and never thinks; the first and the last minute, whose memory is compared, are without it.

Clients who think ask less when they wait, so that all get about as many answers under almost any order of turns: their
number shows starvation alone. How long each waits shows more, so it is judged, too.

Output: errors by kind, answers and mean seconds a client, Jain's index, memory of the first against the last minute,
and whether the marks hold: no errors, memory flat, shares fair, waits alike, and nobody starved by the greedy one.
"""

import argparse
import json
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from benchmarks.cores import on_core, two_cores
from benchmarks.crowd import Crowd, Question, Tally, crowd, jain, questions_of
from benchmarks.ending import end_in_order
from benchmarks.load_generator import capacity_per_s
from benchmarks.verdicts import Verdict, conclude
from tests.models import light_model
from tests.processes import serving

from partway.graph import Cache
from partway.reporting import Column, print_table
from partway.units import format_size

MODELS = ("squeezenet", "shufflenet")
_CUTS, _INPUTS, _PROCESSES = 4, 3, 2
_CAPACITY_S = 0.7
_GREEDY_IN_FLIGHT = 32
_REFUSED = "RESOURCE_EXHAUSTED"
_MOST_GROWTH, _LEAST_JAIN, _LEAST_KEPT, _MOST_UNEVEN = 0.05, 0.95, 0.8, 1.5
_WINDOW_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What came of the clients' requests for some time.

    Attributes:
        name: of the phase.
        seconds: how long it was.
        answered: by the server, rightly.
        errors: by kind.
        mean_s: until an answer.
        least: answers of the client with the fewest.
        median: answers of the client in the middle.
        most: answers of the client with the most.
        jain: how even the answers are; 1 is equal.
        uneven: mean seconds of the client that waited longest, over those of the client in the middle; infinite where
            one got no answer.
        greedy_answered: of the greedy client; 0 without one.
        greedy_errors: of the greedy client, by kind.
    """

    name: str
    seconds: float
    answered: int
    errors: dict[str, int]
    mean_s: float
    least: int
    median: float
    most: int
    jain: float
    uneven: float
    greedy_answered: int = 0
    greedy_errors: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found.

    Attributes:
        clients: beside the greedy one.
        capacity_per_s: requests that the server answers a second at most.
        utilisation: share of it that the clients were to ask for.
        phases: one, or with a greedy client three.
        memory_bytes: resident, a number a second.
        growth: of the last minute's median over the first one's, as a share; of quarters where there are no minutes.
    """

    clients: int
    capacity_per_s: float
    utilisation: float
    phases: list[Phase]
    memory_bytes: list[int]
    growth: float


@contextmanager
def watching(pid: int) -> Iterator[list[int]]:
    """The resident bytes of a process, one number a second while the block lasts."""
    samples: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        process = psutil.Process(pid)
        while not stop.wait(1.0):
            samples.append(process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def growth(samples: Sequence[int], window: int = _WINDOW_S) -> float:
    """By which share the median of the last samples is above that of the first; 0 for fewer than four.

    Args:
        samples: in the order of time.
        window: how many are the first and the last; a quarter of all where that is less.
    """
    size = min(window, len(samples) // 4)
    return float(np.median(samples[-size:]) / np.median(samples[:size])) - 1.0 if size else 0.0


def hand_out(path: Path, count: int) -> list[str]:
    """Write so many tokens, each of a name of its own, to a file that a server reads, and give them."""
    tokens = [secrets.token_hex(16) for _ in range(count)]
    path.touch(mode=0o600)
    path.write_text("".join(f"client-{number} {token}\n" for number, token in enumerate(tokens)))
    return tokens


def mixed_capacity_per_s(url: str, questions: Sequence[Question], core: int | None, token: str) -> float:
    """What the server answers a second when every question is as frequent."""
    contents = {(one.model, one.crossing): one.content for one in questions}.values()
    seconds = [1.0 / capacity_per_s(url, content, core=core, seconds=_CAPACITY_S, token=token) for content in contents]
    return len(seconds) / sum(seconds)


def unevenness(tallies: Sequence[Tally]) -> float:
    """The longest of the clients' mean seconds over the median of them; infinite where a client got no answer."""
    if not all(one.answered for one in tallies):
        return float("inf")
    means_s = [one.seconds / one.answered for one in tallies]
    return max(means_s) / float(np.median(means_s))


def phase_of(name: str, seconds: float, tallies: Sequence[Tally], greedy: Sequence[Tally] = ()) -> Phase:
    """Many clients' tallies in one."""
    answers = [one.answered for one in tallies]
    answered = sum(answers)
    return Phase(
        name=name,
        seconds=seconds,
        answered=answered,
        errors=dict(sum((one.errors for one in tallies), Counter())),
        mean_s=sum(one.seconds for one in tallies) / answered if answered else 0.0,
        least=min(answers),
        median=float(np.median(answers)),
        most=max(answers),
        jain=jain(answers),
        uneven=unevenness(tallies),
        greedy_answered=sum(one.answered for one in greedy),
        greedy_errors=dict(sum((one.errors for one in greedy), Counter())),
    )


def run(*, clients: int, seconds: float, utilisation: float, greedy: bool, warm_up_s: float) -> Findings:
    """Let the clients ask, and count.

    Args:
        clients: how many.
        seconds: that count.
        utilisation: share of the server's capacity that they ask for.
        greedy: whether a greedy one joins for the middle third.
        warm_up_s: seconds before, that do not count.
    """
    client_core, server_core = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="partway-")))
        repository = folder / "models"
        repository.mkdir()
        questions: list[Question] = []
        for name in MODELS:
            path = light_model(name, folder)
            (repository / f"{name}.onnx").symlink_to(path)
            questions += questions_of(path, name, cache=Cache(folder / "cache"), cuts=_CUTS, inputs=_INPUTS)
        greedy_token, *tokens = hand_out(folder / "tokens", clients + 1)
        with on_core(server_core):
            # The greedy client's requests may all wait; that nobody else has to is what is measured.
            options = (
                "--threads",
                "1",
                "--queue",
                str(2 * clients + _GREEDY_IN_FLIGHT),
                "--token-file",
                str(folder / "tokens"),
            )
            environment = {"PARTWAY_CACHE": str(folder / "server-cache")}
            server = stack.enter_context(serving(repository, *options, environment=environment))
        mixed_capacity_per_s(
            server.url, questions, client_core, greedy_token
        )  # graphs are optimised once they were used
        time.sleep(warm_up_s / 2)
        capacity = mixed_capacity_per_s(server.url, questions, client_core, greedy_token)
        think_s = clients / (utilisation * capacity)
        asking = stack.enter_context(
            crowd(server.url, questions, tokens=tokens, think_s=think_s, processes=_PROCESSES, core=client_core)
        )
        time.sleep(warm_up_s / 2)
        asking.count()
        with watching(server.process.pid) as memory_bytes:
            share_s = seconds / 3 if greedy else seconds
            phases = [_count("alone" if greedy else "all", asking, share_s)]
            if greedy:
                with crowd(
                    server.url,
                    questions,
                    tokens=[greedy_token],
                    think_s=0.0,
                    in_flight=_GREEDY_IN_FLIGHT,
                    core=client_core,
                    seed=1,
                ) as one:
                    asking.count()  # the greedy one's start is nobody's
                    phases.append(_count("beside a greedy one", asking, share_s, one))
                asking.count()  # and so is its end
                phases.append(_count("alone again", asking, share_s))
    return Findings(
        clients=clients,
        capacity_per_s=capacity,
        utilisation=utilisation,
        phases=phases,
        memory_bytes=memory_bytes,
        growth=growth(memory_bytes),
    )


def _count(name: str, asking: Crowd, seconds: float, greedy: Crowd | None = None) -> Phase:
    start_s = time.monotonic()
    time.sleep(seconds)
    tallies = asking.count()
    return phase_of(name, time.monotonic() - start_s, tallies, greedy.count() if greedy is not None else ())


def print_findings(found: Findings) -> int:
    """Table and marks; 0 where all marks hold, else 1."""
    titles = (
        "answered",
        "a second",
        "mean ms",
        "least",
        "median",
        "most",
        "Jain",
        "uneven",
        "errors",
        "greedy",
        "its errors",
    )
    print_table(
        f"{found.clients} clients, {found.utilisation:.0%} of {found.capacity_per_s:.0f} requests/s: answers a client",
        (Column(title="clients", right=False), *(Column(title=title) for title in titles)),
        (_cells(phase) for phase in found.phases),
    )
    return conclude(verdicts(found))


def verdicts(found: Findings) -> list[Verdict]:
    """The marks."""
    memory = found.memory_bytes or [0]
    errors = Counter[str]()
    for phase in found.phases:
        errors.update(phase.errors)
    refused = errors[_REFUSED] if found.utilisation >= 1.0 else 0  # more was asked for than can be answered
    fairest, most_uneven = min(phase.jain for phase in found.phases), max(phase.uneven for phase in found.phases)
    marks: list[Verdict] = [
        ("errors", str(dict(errors) or "none"), errors.total() == refused),
        (
            "memory",
            f"{format_size(memory[0])} to {format_size(memory[-1])}, most {format_size(max(memory))}; "
            f"{found.growth:+.1%} from first to last minute",
            found.growth <= _MOST_GROWTH,
        ),
        ("fair shares", f"Jain's index {fairest:.3f}", fairest >= _LEAST_JAIN),
        (
            "waits alike",
            f"the client that waits longest does so {most_uneven:.2f} times as long as the one in the middle, "
            f"{_MOST_UNEVEN} allowed",
            most_uneven <= _MOST_UNEVEN,
        ),
    ]
    if len(found.phases) > 1:
        alone, beside = (phase.median / phase.seconds for phase in found.phases[:2])
        kept = beside / alone if alone else 0.0
        marks.append(("beside the greedy one", f"others kept {kept:.0%}", kept >= _LEAST_KEPT))
    return marks


def _cells(phase: Phase) -> tuple[str, ...]:
    return (
        phase.name,
        str(phase.answered),
        f"{phase.answered / phase.seconds:.1f}",
        f"{phase.mean_s * 1e3:.0f}",
        str(phase.least),
        f"{phase.median:.0f}",
        str(phase.most),
        f"{phase.jain:.3f}",
        f"{phase.uneven:.2f}",
        str(sum(phase.errors.values())),
        str(phase.greedy_answered),
        str(sum(phase.greedy_errors.values())),
    )


def main() -> int:
    """Ask, count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--utilisation", type=float, default=0.8, help="share of what the server can answer")
    parser.add_argument(
        "--greedy",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="one more client for the middle third, with 32 requests in flight",
    )
    parser.add_argument("--warm-up-s", type=float, default=30.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there, too")
    given = parser.parse_args()
    end_in_order()
    found = run(
        clients=given.clients,
        seconds=60 * given.minutes,
        utilisation=given.utilisation,
        greedy=given.greedy,
        warm_up_s=given.warm_up_s,
    )
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(found) | {"verdicts": verdicts(found)}, indent=2))
    return print_findings(found)


if __name__ == "__main__":
    sys.exit(main())
