"""The paper's Figure 15 on a real server: latency of three ways to compute while other clients load the server.

    python -m benchmarks.figure15 [--json FILE] [--quick] [--figure out/figure15/figure15.png]

    core A    this program: device-only, server-only and partway in turn, on a device that is slowed down;
              the emulated link, which carries bytes while the device waits for them
    core B    the server, one thread; the competing clients, which cost it a request and themselves next to nothing

For each load, competing clients keep the server busy for that share of what it can answer at most. After a while of
settling, rounds of one request in every way follow one another; each also times the device's own whole model, without
any slowdown, since a load that disturbed the device's core would prove nothing.

Output: a row a load, and whether the marks hold: server-only climbs, partway stays within 5 % of device-only, the
device's own time moves by 2 % at most. Source of the figure: Kang et al., Neurosurgeon, ASPLOS 2017, section 6.4.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.busy_model import write_busy_model
from benchmarks.chaos_proxy import bad_network
from benchmarks.cores import busy_s, on_core, two_cores
from benchmarks.load_generator import capacity_per_s, loading, request_for
from tests.models import light_model, random_feeds
from tests.processes import ServerProcess, serving

from partway.cli.bench_contest import (
    Attempt,
    Contest,
    Feeds,
    Judge,
    Summary,
    Way,
    answer_remotely,
    answer_with,
    cuts_used,
    fallbacks,
    summarise,
)
from partway.cli.options import as_argument
from partway.client import InferenceSession
from partway.engine import OrtRuntime, OrtSession
from partway.errors import PartwayError
from partway.graph import Cache, Source, canonicalise
from partway.link import Link, LinkTrace, parse_link
from partway.reporting import Column, name_set, print_lines, print_table
from partway.reporting.canvas import open_figure, require_drawable, write_figure

LINK = "up=100Mbit/s,down=100Mbit/s,rtt=4ms"
DEVICE_SLOWDOWN = 7.5
LOADS = tuple(round(0.1 * step, 1) for step in range(10))
QUICK_LOADS = (0.0, 0.5, 0.9)
_CONVOLUTIONS = 180  # about 45 ms: a load of 90 % is then 20 requests a second, which cost little beside
_READY_S, _TIMEOUT_S = 90.0, 10.0
_MOST_OVER_DEVICE, _MOST_MOVED = 0.05, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one load did.

    Attributes:
        load: share of the server's capacity that competing clients were to take.
        given: the share that they took: answers a second over the capacity.
        server_busy: share of its core that the server process computed, for them and for us.
        refused: of the competing requests, because too many waited.
        solo_s: median of the device's own whole model, not slowed down.
        device_only: seconds of requests.
        server_only: seconds of requests.
        partway: seconds of requests.
        offloaded: share of partway's requests that the server answered.
        fell_back: how many of partway's asked the server in vain.
        cuts: share of partway's requests by crossing tensors; `device` for none.
    """

    load: float
    given: float
    server_busy: float
    refused: int
    solo_s: float
    device_only: Summary
    server_only: Summary
    partway: Summary
    offloaded: float
    fell_back: int
    cuts: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the figure is to show.

    Attributes:
        server_only_climbs: server-only's mean under the highest load, over that under the lowest.
        worst_over_device: the most that partway's mean is over device-only's of the same load, as a share.
        solo_moves: the most that the device's own time is away from that under the lowest load, as a share.
        lost: of partway's requests.
        wrong: of all answers.
    """

    server_only_climbs: float
    worst_over_device: float
    solo_moves: float
    lost: int
    wrong: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Marks":
        """The marks of a row a load, from the lowest to the highest."""
        first, last = rows[0], rows[-1]
        return cls(
            server_only_climbs=last.server_only.mean_s / first.server_only.mean_s,
            worst_over_device=max(row.partway.mean_s / row.device_only.mean_s for row in rows) - 1.0,
            solo_moves=max(abs(row.solo_s / first.solo_s - 1.0) for row in rows),
            lost=sum(row.partway.lost for row in rows),
            wrong=sum(row.partway.wrong + row.device_only.wrong + row.server_only.wrong for row in rows),
        )


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
    offloaded = sum(attempt.reply is not None and attempt.reply.offloaded for attempt in partway) / len(partway)
    return Row(
        load=load,
        given=report.answered / report.seconds / bench.capacity_per_s if report is not None else 0.0,
        server_busy=server_busy,
        refused=report.refused if report is not None else 0,
        solo_s=float(np.median([solo_s for solo_s, _ in rounds])),
        device_only=summarise(attempts[Way.DEVICE_ONLY]),
        server_only=summarise(attempts[Way.SERVER_ONLY]),
        partway=summarise(partway),
        offloaded=offloaded,
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
        url = f"grpc://{network.address[0]}:{network.address[1]}"
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

        partway, device = session(url), session(None)
        remote = stack.enter_context(answer_remotely(url, canonical, model_name="alexnet", timeout_s=_TIMEOUT_S))
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


def draw(path: Path, rows: Sequence[Row], title: str) -> None:
    """Mean latencies over the load, and how much was offloaded below.

    Args:
        path: of the figure.
        rows: from the lowest load to the highest.
        title: above it.
    """
    figure = open_figure((6.4, 6.0))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    loads = [100 * row.load for row in rows]
    for name, marker, colour, summaries in (
        ("device-only", "s", "#0072b2", [row.device_only for row in rows]),
        ("server-only", "^", "#d55e00", [row.server_only for row in rows]),
        ("partway", "o", "#009e73", [row.partway for row in rows]),
    ):
        upper.plot(loads, [1e3 * one.mean_s for one in summaries], marker=marker, color=colour, label=name)
        upper.plot(loads, [1e3 * one.p95_s for one in summaries], linestyle=":", color=colour, linewidth=0.8)
    upper.set(ylabel="latency in ms: mean, and 95 % dotted", title=title)
    upper.set_ylim(bottom=0)
    upper.legend(frameon=False)
    lower.bar(loads, [100 * row.offloaded for row in rows], width=6, color="#009e73")
    lower.set(xlabel="server load of competing clients in %", ylabel="offloaded %", ylim=(0, 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(figure, path)


def print_rows(rows: Sequence[Row]) -> None:
    """The table, milliseconds."""
    columns = [
        Column(title=title)
        for title in (
            "load", "given", "server busy", "device solo", "device-only", "server-only", "its 95 %",
            "partway", "its 95 %", "offloaded", "fell back",
        )
    ]  # fmt: skip
    print_table(
        "Figure 15: mean milliseconds under competing load",
        (*columns, Column(title="cuts", right=False, shrinks=True)),
        (_cells(row) for row in rows),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.load:.0%}",
        f"{row.given:.0%}",
        f"{row.server_busy:.0%}",
        f"{row.solo_s * 1e3:.1f}",
        f"{row.device_only.mean_s * 1e3:.0f}",
        f"{row.server_only.mean_s * 1e3:.0f}",
        f"{row.server_only.p95_s * 1e3:.0f}",
        f"{row.partway.mean_s * 1e3:.0f}",
        f"{row.partway.p95_s * 1e3:.0f}",
        f"{row.offloaded:.0%}",
        str(row.fell_back),
        ", ".join(f"{name} {share:.0%}" for name, share in row.cuts.items()),
    )


def _verdicts(marks: Marks) -> list[tuple[str, str]]:
    def said(holds: bool) -> str:
        return "holds" if holds else "MISSED"

    return [
        ("server-only climbs", f"{marks.server_only_climbs:.2f} times: {said(marks.server_only_climbs > 1.2)}"),
        (
            "partway over device-only",
            f"{marks.worst_over_device:+.1%} at worst, +5 % allowed: "
            f"{said(marks.worst_over_device <= _MOST_OVER_DEVICE)}",
        ),
        (
            "the device's own time",
            f"moves {marks.solo_moves:.1%}, 2 % allowed: {said(marks.solo_moves <= _MOST_MOVED)}",
        ),
        ("lost and wrong", f"{marks.lost} and {marks.wrong}: {said(not marks.lost and not marks.wrong)}"),
    ]


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
    require_drawable(given.figure)
    loads = given.loads or (QUICK_LOADS if given.quick else LOADS)
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
    marks = Marks.of(rows)
    print_rows(rows)
    print_lines(_verdicts(marks))
    draw(given.figure, rows, f"AlexNet, device slowed {given.device_slowdown:g} times")
    if given.json is not None:
        document = {
            "device_slowdown": given.device_slowdown,
            "link": asdict(given.link),
            "marks": asdict(marks),
            "rows": [asdict(row) for row in rows],
        }
        given.json.write_text(json.dumps(document, indent=2))
    return 0


def _steady(text: str) -> Link:
    link = parse_link(text)
    return link.at(0.0) if isinstance(link, LinkTrace) else link


if __name__ == "__main__":
    sys.exit(main())
