"""Steady links: partway against the better of the two fixed ways, where there is nothing to adapt to.

    python -m benchmarks.steady [--rounds 60] [--model convnext-0] [--json FILE]

On the stage of `benchmarks.stage`, the device slowed until it takes 0.4 s for the whole model. Five links: one so slow
that the device alone is best, three on which a cut inside should be, one so fast that the server alone is; which those
are is reckoned from timed pieces. All ways are asked in turn; a fixed way that is far behind on a link is asked less
often, since it decides nothing there. Ratios are of medians, with their standard deviation over bootstrap samples.
Mark: partway's median at most 1.02 times that of the better fixed way, on every link. Exit status: 0 if so, 1 if not.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.figure14.outcome import name_of
from benchmarks.figure14.playing import QUICK, Ask, Players, open_model, players
from benchmarks.figure14.reckoning import Overheads, Reckoner
from benchmarks.figure14.scaling import slowed
from benchmarks.figure14.timing import costs_at_work
from benchmarks.stage import stage

from partway.documents import write_atomically
from partway.errors import InputError
from partway.link import Link, LinkTrace, format_link
from partway.planning import CostTable
from partway.planning.costs import FloatArray
from partway.reporting import Column, print_table

MARK = 1.02
_DEVICE_S = 0.4
_RTT_S = 0.02
_DOWN = 2.0  # rates of downlinks over those of uplinks
_RATES = np.geomspace(1e4, 2.5e7, 120)  # bytes a second
_APART = 3.0  # how far beyond the rates where a cut inside is best the outer two links lie
_FAR_BEHIND, _SELDOM = 2.0, 10
_WARM_UPS = 10
_SAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One link.

    Attributes:
        link: as it is written.
        reckoned_best: the cut that should be best.
        device_only_s: median.
        server_only_s: median.
        partway_s: median.
        ratio: partway's median over the better one of the two.
        spread: standard deviation of that ratio.
        cuts: how often partway used each cut.
        lost: requests without an answer, of every way.
        wrong: answers that were not the whole model's.
    """

    link: str
    reckoned_best: str
    device_only_s: float
    server_only_s: float
    partway_s: float
    ratio: float
    spread: float
    cuts: dict[str, int]
    lost: int
    wrong: int


def lay_out(table: CostTable, overheads: Overheads) -> list[tuple[Link, str]]:
    """Five links and the cut that should be best on each, from the slowest on.

    Args:
        table: costs with the device as slow as it will be.
        overheads: of requests.

    Raises:
        InputError: on no link is a cut inside the best.
    """
    best = [_best(table, _link(float(rate)), overheads) for rate in _RATES]
    inside = [
        float(rate) for rate, row in zip(_RATES, best, strict=True) if 0.0 < table.costs[row].device_s < _whole_s(table)
    ]
    if not inside:
        raise InputError("on no link is a cut inside this model the best; name another model")
    slow, fast = inside[0] / _APART, inside[-1] * _APART
    rates = (slow, *(inside[0] * (inside[-1] / inside[0]) ** place for place in (0.2, 0.5, 0.8)), fast)
    return [(_link(rate), name_of(table.costs[_best(table, _link(rate), overheads)].crossing)) for rate in rates]


def ratio_of(partway: FloatArray, fixed: Sequence[FloatArray], rng: np.random.Generator) -> tuple[float, float]:
    """Partway's median over the least of the fixed ways' medians, and its standard deviation over bootstrap samples."""
    least_s = min(float(np.median(seconds)) for seconds in fixed)
    ratio = float(np.median(partway)) / least_s
    better = min(fixed, key=lambda seconds: float(np.median(seconds)))
    samples = [
        np.median(rng.choice(partway, len(partway))) / np.median(rng.choice(better, len(better)))
        for _ in range(_SAMPLES)
    ]
    return ratio, float(np.std(samples))


def play(who: Players, link: Link, best: str, rounds: int) -> Row:
    """All ways on one link, in turn."""
    for _ in range(_WARM_UPS):
        who.partway()
        who.settle()
    asks: dict[str, list[Ask]] = {"partway": [], "device": [], "server": []}
    cuts: Counter[str] = Counter()
    for number in range(rounds):
        order = ("partway", "device", "server") if number % 2 else ("device", "partway", "server")
        for way in order:
            if way == "partway":
                ask = who.partway()
                who.settle()
                if ask.result is not None:
                    cuts[name_of(ask.result.crossing if ask.result.offloaded else ())] += 1
                asks[way].append(ask)
            elif not number % _SELDOM or not _far_behind(asks, way):
                asks[way].append(who.device_only() if way == "device" else who.server_only())
    seconds = {way: _seconds(found) for way, found in asks.items()}
    fixed = [seconds[way] for way in ("device", "server") if len(seconds[way])]
    ratio, spread = ratio_of(seconds["partway"], fixed, np.random.default_rng(0))
    everything = [ask for found in asks.values() for ask in found]
    return Row(
        link=format_link(link),
        reckoned_best=best,
        device_only_s=float(np.median(seconds["device"])),
        server_only_s=float(np.median(seconds["server"])) if len(seconds["server"]) else float("inf"),
        partway_s=float(np.median(seconds["partway"])),
        ratio=ratio,
        spread=spread,
        cuts=dict(cuts.most_common()),
        lost=sum(bool(ask.lost) for ask in everything),
        wrong=sum(ask.wrong for ask in everything),
    )


def run(name: str, rounds: int, *, proxy: bool) -> tuple[str, float, list[Row]]:
    """Every link: how it is emulated, how much the device is slowed, and the rows."""
    with tempfile.TemporaryDirectory(prefix="partway-steady-") as folder:
        path = open_model(name, Path(folder))
        with stage(QUICK, [path], proxy=proxy) as it:
            table = costs_at_work(it, path)
            slowdown = max(1.0, _DEVICE_S / _whole_s(table))
            overheads = Overheads(up_bytes=400, down_bytes=300, seconds=0.003, goodput=it.goodput)
            links = lay_out(slowed(table, slowdown), overheads)
            rows = []
            with players(it, path, slowdown=slowdown, quick=replace(QUICK, rtt_s=_RTT_S)) as who:
                for link, best in links:
                    it.set_link(link)
                    rows.append(play(who, link, best, rounds))
                    print(f"{rows[-1].link}: {rows[-1].ratio:.3f}", file=sys.stderr)
            return it.how, slowdown, rows


def _link(rate_bytes_per_s: float) -> Link:
    return Link(uplink_bytes_per_s=rate_bytes_per_s, downlink_bytes_per_s=_DOWN * rate_bytes_per_s, rtt_s=_RTT_S)


def _best(table: CostTable, link: Link, overheads: Overheads) -> int:
    return int(Reckoner(table, LinkTrace.constant(link), overheads).exact_s(0.0).argmin())


def _whole_s(table: CostTable) -> float:
    return table.costs[-1].device_s


def _far_behind(asks: dict[str, list[Ask]], way: str) -> bool:
    other = _seconds(asks["server" if way == "device" else "device"])
    own = _seconds(asks[way])
    return len(own) > 0 and len(other) > 0 and float(np.median(own)) > _FAR_BEHIND * float(np.median(other))


def _seconds(asks: Sequence[Ask]) -> FloatArray:
    return np.array([ask.total_s for ask in asks if not ask.lost])


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="requests of partway on each link (default 60)")
    parser.add_argument("--model", default="convnext-0", help="alexnet, or a family and a seed (default convnext-0)")
    parser.add_argument("--proxy", action="store_true", help="the user-space proxy, even where namespaces can be had")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the document there")
    arguments = parser.parse_args()
    how, slowdown, rows = run(arguments.model, arguments.rounds, proxy=arguments.proxy)
    titles = ("link", "should be best", "device ms", "server ms", "partway ms", "ratio", "+-", "partway's cuts", "lost")
    print_table(
        f"{arguments.model}, device {slowdown:.1f}x slower, over {how}; mark: ratios at most {MARK}",
        [Column(title=title, right="ms" in title or title in ("ratio", "+-", "lost")) for title in (*titles, "wrong")],
        [
            (
                row.link,
                row.reckoned_best,
                f"{row.device_only_s * 1e3:.1f}",
                f"{row.server_only_s * 1e3:.1f}",
                f"{row.partway_s * 1e3:.1f}",
                f"{row.ratio:.3f}",
                f"{row.spread:.3f}",
                ", ".join(f"{name} {count}" for name, count in row.cuts.items()),
                str(row.lost),
                str(row.wrong),
            )
            for row in rows
        ],
    )
    if arguments.json is not None:
        document = {"how": how, "mark": MARK, "model": arguments.model, "device_slowdown": slowdown, "rows": rows}
        write_atomically(arguments.json, msgspec.json.format(msgspec.json.encode(document), indent=2))
    return 0 if all(row.ratio <= MARK and not row.lost and not row.wrong for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
