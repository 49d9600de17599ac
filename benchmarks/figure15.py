"""The paper's Figure 15 on a real server: latency of three ways to compute while other clients load the server.

    python -m benchmarks.figure15 [--json FILE] [--quick] [--figure out/figure15/figure15.png]

    core A    this program: device-only, server-only and partway in turn, on a device that is slowed down;
              the emulated link, which carries bytes while the device waits for them
    core B    the server, one thread; the competing clients, which cost it a request and themselves next to nothing

For each load, competing clients keep the server busy for that share of what it can answer at most. After a while of
settling, rounds of one request in every way follow one another; each also times the device's own whole model, without
any slowdown. A load that disturbed the device's core would prove nothing, and that time drifts by more than the load
may cost, so at last it is timed with and without the highest load in turns of a second and a half.

Output: a row a load, and whether the marks hold: server-only climbs, partway stays within 5 % of what the device takes
alone, be it as device-only or as partway itself where it sends nothing, and under the lowest load offloads nine
requests of ten and gains by it; the competing clients take what they were to take; the device's own time is within 2 %
with and without it. Source of the figure: Kang et al., Neurosurgeon, ASPLOS 2017,
section 6.4.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.busy_model import write_busy_model
from benchmarks.chaos_proxy import bad_network
from benchmarks.cores import busy_s, on_core, two_cores
from benchmarks.ending import end_in_order
from benchmarks.figure15_report import Marks, Row, Turn, draw, print_rows, verdicts
from benchmarks.load_generator import capacity_per_s, loading, request_for
from benchmarks.verdicts import conclude
from tests.models import light_model, random_feeds
from tests.processes import ServerProcess, serving

from partway.cli.bench_contest import (
    Attempt,
    Contest,
    Feeds,
    Judge,
    Way,
    answer_remotely,
    answer_with,
    cuts_used,
    fallbacks,
    summarise,
)
from partway.cli.options import as_argument
from partway.client import InferenceSession, Route
from partway.engine import OrtRuntime, OrtSession
from partway.errors import PartwayError
from partway.graph import Cache, Source, canonicalise
from partway.link import Link, LinkTrace, parse_link
from partway.reporting import name_set
from partway.reporting.canvas import require_drawable

LINK = "up=100Mbit/s,down=100Mbit/s,rtt=4ms"
DEVICE_SLOWDOWN = 7.5
LOADS = tuple(round(0.1 * step, 1) for step in range(10))
QUICK_LOADS = (0.0, 0.5, 0.9)
_CONVOLUTIONS = 180  # about 45 ms: a load of 90 % is then 20 requests a second, which cost little beside
_READY_S, _TIMEOUT_S = 90.0, 10.0
_LEAST_UNSENT = 5
_TURN_S, _TURNS, _QUICK_TURNS = 1.5, 24, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    # Everything that answers or is answered while loads come and go.
    contest: Contest
    feeds: Feeds
    solo: Callable[[], float]
    server: ServerProcess
    busy_request: bytes
    capacity_per_s: float
    core: int | None

    def rounds(self, seconds: float) -> Iterator[tuple[float, dict[Way, Attempt]]]:
        """Rounds, each with the device's own seconds, until the time is over; one at least."""
        end_s = time.monotonic() + seconds
        while True:
            yield self.solo(), self.contest.round(self.feeds)
            if time.monotonic() >= end_s:
                return


def take_turns(bench: _Bench, load: float, *, turns: int) -> list[Turn]:
    """The device's own time without competing clients and with them, again and again.

    Args:
        bench: at work; nothing of ours is asked meanwhile.
        load: of the competing clients, above 0 and below 1.
        turns: how many.
    """

    def median_s() -> float:
        end_s, found = time.monotonic() + _TURN_S, [bench.solo()]
        while time.monotonic() < end_s:
            found.append(bench.solo())
        return float(np.median(found))

    taken = []
    for turn in range(turns):
        alone_s = median_s()
        with loading(bench.server.url, bench.busy_request, load * bench.capacity_per_s, core=bench.core, seed=turn):
            taken.append(Turn(alone_s=alone_s, beside_s=median_s()))
    return taken


def measure(bench: _Bench, load: float, *, settle_s: float, measure_s: float) -> Row:
    """One row.

    Args:
        bench: at work.
        load: of the competing clients, below 1.
        settle_s: seconds of rounds that do not count.
        measure_s: seconds of rounds that do.
    """
    with ExitStack() as stack:
        competing = None
        if load > 0:
            rate_per_s = load * bench.capacity_per_s
            competing = stack.enter_context(
                loading(bench.server.url, bench.busy_request, rate_per_s, core=bench.core, seed=round(100 * load))
            )
        for _ in bench.rounds(settle_s):
            pass
        busy_before_s, start_s = busy_s(bench.server.process.pid), time.monotonic()
        rounds = list(bench.rounds(measure_s))
        server_busy = (busy_s(bench.server.process.pid) - busy_before_s) / (time.monotonic() - start_s)
        report = competing.stop() if competing is not None else None
    attempts = {way: [answered[way] for _, answered in rounds] for way in Way}
    partway = attempts[Way.PARTWAY]
    replies = [attempt.reply for attempt in partway if attempt.reply is not None]
    unsent_s = [one.total_s for one in partway if one.reply is not None and not one.reply.crossing]
    return Row(
        load=load,
        given=report.answered / report.seconds / bench.capacity_per_s if report is not None else 0.0,
        noise=report.sent**-0.5 if report is not None and report.sent else 0.0,
        server_busy=server_busy,
        refused=report.refused if report is not None else 0,
        solo_s=float(np.median([solo_s for solo_s, _ in rounds])),
        device_only=summarise(attempts[Way.DEVICE_ONLY]),
        server_only=summarise(attempts[Way.SERVER_ONLY]),
        partway=summarise(partway),
        alone_s=float(np.mean(unsent_s)) if len(unsent_s) >= _LEAST_UNSENT else None,
        offloaded=sum(reply.offloaded for reply in replies) / len(partway),
        hedged=sum(reply.hedged for reply in replies) / len(partway),
        fell_back=fallbacks(partway),
        cuts={
            name_set(crossing, none="device"): count / len(partway)
            for (crossing, _), count in cuts_used(partway).most_common()
        },
    )


@contextmanager
def at_work(folder: Path, link: Link, device_slowdown: float) -> Iterator[_Bench]:
    """Server, link and sessions, with all costs learnt and nothing competing.

    Args:
        folder: for models and caches.
        link: between device and server.
        device_slowdown: of the device.
    """
    device_core, server_core = two_cores()
    repository, cache = folder / "models", folder / "cache"
    repository.mkdir()
    model = light_model("bvlc_alexnet", folder)
    (repository / "alexnet.onnx").symlink_to(model)
    write_busy_model(repository / "busy.onnx", convolutions=_CONVOLUTIONS)
    feeds = random_feeds(model)
    with ExitStack() as stack:
        with on_core(server_core):
            server = stack.enter_context(
                serving(repository, "--threads", "1", environment={"PARTWAY_CACHE": str(folder / "server-cache")})
            )
        network = stack.enter_context(bad_network(server.address, link, core=device_core))
        route = Route(scheme="grpc", host=network.address[0], port=network.address[1])
        stack.enter_context(on_core(device_core))
        runtime = OrtRuntime(threads=1)
        source = Source.open(model)
        canonical = canonicalise(source, source.bind_feeds(feeds, {}), runtime, cache=Cache(cache))

        def session(to: str | None) -> InferenceSession:
            return stack.enter_context(
                InferenceSession(
                    model,
                    server=to,
                    model_name="alexnet",
                    threads=1,
                    timeout_s=_TIMEOUT_S,
                    device_slowdown=device_slowdown,
                    cache=Cache(cache),
                )
            )

        partway, device = session(route.url), session(None)
        remote = stack.enter_context(answer_remotely(route, canonical, model_name="alexnet", timeout_s=_TIMEOUT_S))
        answers = {Way.PARTWAY: answer_with(partway), Way.DEVICE_ONLY: answer_with(device), Way.SERVER_ONLY: remote}
        contest = Contest(answers, Judge(model, values={}, threads=1), settle=partway.settle)
        busy_request = request_for(server.url, "busy")
        if not partway.wait_until_ready(feeds, _READY_S):
            raise PartwayError(f"the server told no costs within {_READY_S:.0f} s; its log on stderr may say why")
        yield _Bench(
            contest=contest,
            feeds=feeds,
            solo=_timed(runtime.open(model), feeds),
            server=server,
            busy_request=busy_request,
            capacity_per_s=capacity_per_s(server.url, busy_request, core=server_core),
            core=server_core,
        )


def _timed(session: OrtSession, feeds: Feeds) -> Callable[[], float]:
    def run() -> float:
        start_s = time.perf_counter()
        session.run(feeds)
        return time.perf_counter() - start_s

    return run


def main() -> int:
    """Measure, print, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write rows and marks there, too")
    parser.add_argument("--figure", type=Path, default=Path("out/figure15/figure15.png"), metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="three loads, a minute")
    parser.add_argument("--loads", type=float, nargs="+", metavar="SHARE", help="below 1, rising")
    parser.add_argument("--link", type=as_argument(_steady), default=parse_link(LINK), metavar="LINK", help=LINK)
    parser.add_argument("--device-slowdown", type=float, default=DEVICE_SLOWDOWN, metavar="FACTOR")
    parser.add_argument("--settle-s", type=float)
    parser.add_argument("--measure-s", type=float)
    given = parser.parse_args()
    end_in_order()
    require_drawable(given.figure)
    loads = given.loads or (QUICK_LOADS if given.quick else LOADS)
    if not max(loads) > 0:
        parser.error(f"--loads are {', '.join(map(str, loads))}; give one above 0")
    settle_s = given.settle_s or (4.0 if given.quick else 8.0)
    measure_s = given.measure_s or (10.0 if given.quick else 30.0)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="partway-") as folder,
        at_work(Path(folder), given.link, given.device_slowdown) as bench,
    ):
        for load in loads:
            rows.append(measure(bench, load, settle_s=settle_s, measure_s=measure_s))
            print(f"load {load:.0%} measured", file=sys.stderr)
        turns = take_turns(bench, max(loads), turns=_QUICK_TURNS if given.quick else _TURNS)
    marks = Marks.of(rows, turns)
    print_rows(rows)
    status = conclude(verdicts(marks))
    draw(given.figure, rows, f"AlexNet, device slowed {given.device_slowdown:g} times")
    if given.json is not None:
        document = {
            "device_slowdown": given.device_slowdown,
            "link": asdict(given.link),
            "marks": asdict(marks),
            "rows": [asdict(row) for row in rows],
            "turns": [asdict(turn) for turn in turns],
            "verdicts": verdicts(marks),
        }
        given.json.write_text(json.dumps(document, indent=2))
    return status


def _steady(text: str) -> Link:
    link = parse_link(text)
    return link.at(0.0) if isinstance(link, LinkTrace) else link


if __name__ == "__main__":
    sys.exit(main())
