"""Real faults against a real server and a real session: what was lost, what was wrong, what was late.

    python -m benchmarks.faults [--faults 1000] [--json FILE]

    core A    this program: threads that ask one session all the time; the network that does harm
    core B    the server process, killed, restarted and frozen; now and then a flood of other requests

One fault after the other (`benchmarks.injecting` has the kinds), at random moments of requests, each followed by a
wait until the server answers again, so that the next one hits a session that offloads. Every answer is held against the
whole model's. Before, in the middle and after, the same threads ask a session that has no server: what device-only
takes here.

Output: counts and seconds by kind, and whether the marks hold: none lost, none wrong; of the requests that met a fault,
the 99th percentile, each less its own hedge's wait, within device-only's. A fault that met nobody who asked the server,
or that the server was not found again after, proves nothing: that misses a mark, too.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.busy_model import write_busy_model
from benchmarks.chaos_proxy import bad_network
from benchmarks.cores import on_core, two_cores
from benchmarks.ending import end_in_order
from benchmarks.injecting import KINDS, FragileServer, Injector, schedule
from benchmarks.load_generator import request_for
from benchmarks.outcomes import CALM, Diary, Outcome, Recoveries, Row, asking, row_of, rows_of
from benchmarks.verdicts import Verdict, conclude
from tests.models import random_feeds

from partway.cli.bench_contest import Judge
from partway.client import InferenceSession
from partway.graph import Cache
from partway.link import Link, parse_link
from partway.reporting import Column, print_table
from partway.zoo.builder import GraphBuilder

LINK = "up=50Mbit/s,down=50Mbit/s,rtt=2ms"
DEVICE_SLOWDOWN = 10.0
_INPUTS = 8
_READY_S, _ALONE_S = 60.0, 10.0
_TOLD_EVERY = 50
_SLOWEST, _SLOWEST_SHOWN = 20, 3


def write_model(path: Path, seed: int) -> Path:
    """A network whose device-only takes 10 ms of one core, and whose best cut is behind its first pool.

    Args:
        path: the file.
        seed: of the weights: another one is another model of the same shapes.
    """
    net = GraphBuilder(np.random.default_rng(seed))
    x = net.pool(net.conv(net.input(1, 3, 96, 96), 16, 3, stride=2, act="Relu"), 2, 2)
    for _ in range(10):
        x = net.conv(x, 64, 3, act="Relu")
    path.write_bytes(net.build(net.dense(net.flatten(net.global_pool(x)), 16)).SerializeToString())
    return path


def harm(
    kinds: Sequence[str], injector: Injector, diary: Diary, recoveries: Recoveries, generator: np.random.Generator
) -> None:
    """Inject faults one after the other, each once the server answers."""
    for number, kind in enumerate(kinds):
        time.sleep(float(generator.uniform(0.0, 0.1)))
        _, least_s, most_s = KINDS[kind]
        diary.now, diary.harming = kind, True
        injector.inject(kind, float(generator.uniform(least_s, most_s)))
        diary.harming = False
        # What the fault left behind is the fault's doing, too.
        recoveries.wait(kind, diary)
        diary.now = CALM
        if (number + 1) % _TOLD_EVERY == 0:
            print(f"{number + 1} faults of {len(kinds)}", file=sys.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found.

    Attributes:
        rows: by kind, then the calm, those that met a fault, and all.
        device_only: of the session without a server.
        ready: whether the costs of all cuts were known before the first fault.
        other_model_differs: how far the other model's answers are from the right ones, as a share of their scale.
        lost: requests without an answer.
        slowest: a few of the answered that took longest, the longest first.
        took_s: seconds of the whole run.
    """

    rows: list[Row]
    device_only: Row
    ready: bool
    other_model_differs: float
    lost: list[Outcome]
    slowest: list[Outcome]
    took_s: float


def run(faults: int, *, link: Link, device_slowdown: float, alone_s: float, seed: int) -> Findings:
    """Inject faults and gather what came of the requests.

    Args:
        faults: how many.
        link: between device and server.
        device_slowdown: of the device.
        alone_s: seconds of device-only before, in the middle and after.
        seed: of kinds, moments, bits and pauses.
    """
    start_s = time.monotonic()
    generator = np.random.default_rng(seed)
    device_core, server_core = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="partway-")))
        right, other = (_repository(folder / name, seed) for name, seed in (("right", 1), ("other", 2)))
        model = right / "model.onnx"
        inputs = [random_feeds(model, seed=number) for number in range(_INPUTS)]
        server = FragileServer(folder, server_core)
        server.start(right)
        stack.callback(server.kill)
        network = stack.enter_context(bad_network(server.address, link, core=device_core, seed=seed))
        stack.enter_context(on_core(device_core))
        judge = Judge(model, values={}, threads=1)
        others = Judge(other / "model.onnx", values={}, threads=1)
        differs = min(judge.compare(feeds, others.reference(feeds))[0].relative for feeds in inputs)
        url = f"grpc://{network.address[0]}:{network.address[1]}"
        partway, device = (
            stack.enter_context(
                InferenceSession(
                    model, server=to, threads=1, device_slowdown=device_slowdown, cache=Cache(folder / "cache")
                )
            )
            for to in (url, None)
        )
        injector = Injector(server, network, (right, other), request_for(server.url, "busy"))
        ready = partway.wait_until_ready(inputs[0], _READY_S)
        kinds = schedule(faults, generator)
        outcomes: list[Outcome] = []
        alone: list[Outcome] = []
        recoveries = Recoveries()
        for part in (None, kinds[: len(kinds) // 2], kinds[len(kinds) // 2 :]):
            if part is not None:
                with asking(partway, inputs, judge, seed) as diary:
                    Recoveries().wait(CALM, diary)
                    harm(part, injector, diary, recoveries, generator)
                outcomes += diary.outcomes
            with asking(device, inputs, judge, seed) as diary:
                time.sleep(alone_s)
            alone += diary.outcomes
    return Findings(
        rows=rows_of(outcomes, Counter(kinds), recoveries),
        device_only=row_of("device-only", alone),
        ready=ready,
        other_model_differs=differs,
        lost=[one for one in outcomes if one.lost],
        slowest=sorted((one for one in outcomes if not one.lost), key=lambda one: -one.total_s)[:_SLOWEST],
        took_s=time.monotonic() - start_s,
    )


def _repository(folder: Path, seed: int) -> Path:
    folder.mkdir()
    write_model(folder / "model.onnx", seed)
    write_busy_model(folder / "busy.onnx", convolutions=40)
    return folder


def print_findings(found: Findings) -> int:
    """Table, marks and the slowest; 0 where all marks hold, else 1."""
    titles = (
        "injected", "requests", "hit", "offloaded", "fell back", "hedged", "lost", "wrong", "median ms", "99 % ms",
        "less wait ms", "most ms",
        "hedge ms", "recovery ms", "most ms", "unrecovered",
    )  # fmt: skip
    print_table(
        "Faults, and the requests that met them",
        (Column(title="kind", right=False), *(Column(title=title) for title in titles)),
        (_cells(row) for row in (*found.rows, found.device_only)),
    )
    notes = [*(("slowest", _slow(one)) for one in found.slowest[:_SLOWEST_SHOWN]), ("took", f"{found.took_s:.0f} s")]
    return conclude(verdicts(found), notes)


def verdicts(found: Findings) -> list[Verdict]:
    """The marks."""
    *kinds, calm, met, every = found.rows
    alone = found.device_only
    missed = [row.kind for row in kinds if not row.hit]
    unrecovered = ", ".join(f"{row.unrecovered} of {row.kind}" for row in kinds if row.unrecovered)
    return [
        ("ready before the first fault", "yes" if found.ready else "costs were not known", found.ready),
        (
            "every kind met requests on their way to the server",
            f"{met.hit} of {met.requests}" + (f"; none by {', '.join(missed)}" if missed else ""),
            bool(kinds) and not missed,
        ),
        ("recovered", f"all but {unrecovered}" if unrecovered else f"after all {every.injected}", not unrecovered),
        ("lost", f"{every.lost} of {every.requests}{_first(found.lost)}", not every.lost),
        (
            "wrong",
            f"{every.wrong}; the other model's answers are {found.other_model_differs:.0%} of the scale away at least",
            not every.wrong,
        ),
        (
            "99th percentile of those that met a fault",
            f"{met.beyond_wait_s * 1e3:.0f} ms beyond their own hedge's wait, of device-only's {alone.p99_s * 1e3:.0f} "
            f"ms; of the calm {calm.beyond_wait_s * 1e3:.0f} ms",
            met.requests > 0 and met.beyond_wait_s <= alone.p99_s,
        ),
    ]


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.injected, row.requests, row.hit, row.offloaded, row.fell_back, row.hedged, row.lost, row.wrong)
    seconds = (row.median_s, row.p99_s, row.beyond_wait_s, row.most_s, row.wait_s, row.recovery_s, row.most_recovery_s)
    return (row.kind, *map(str, counts), *(f"{one * 1e3:.0f}" for one in seconds), str(row.unrecovered))


def _slow(one: Outcome) -> str:
    stalls = f"the machine stalled for {one.stalled_s:.2f} s of it"
    return f"{one.total_s:.2f} s during {one.during}, {stalls}: {one.reason}"


def _first(lost: Sequence[Outcome]) -> str:
    return f"; the first one: {lost[0].lost}" if lost else ""


def main() -> int:
    """Inject, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there, too")
    parser.add_argument("--device-slowdown", type=float, default=DEVICE_SLOWDOWN)
    parser.add_argument("--alone-s", type=float, default=_ALONE_S, help="seconds of device-only, three times")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end_in_order()
    link = parse_link(LINK)
    assert isinstance(link, Link)
    found = run(given.faults, link=link, device_slowdown=given.device_slowdown, alone_s=given.alone_s, seed=given.seed)
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(found) | {"verdicts": verdicts(found)}, indent=2))
    return print_findings(found)


if __name__ == "__main__":
    sys.exit(main())
