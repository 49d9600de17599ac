"""Steady links: partway against the better of the two fixed ways, where there is nothing to adapt to.

    python -m benchmarks.steady [--stretches 8] [--model convnext-0] [--json FILE]

On the stage of `benchmarks.stage`, the device slowed until it takes 0.4 s for the whole model. Five links: one so slow
that the device alone is best, three on which a cut inside should be, one so fast that the server alone is; which those
are is reckoned from timed pieces. Ways take turns by stretches of eight requests, one after the other without a pause:
what partway asks and learns beside its requests, it does at its own cost. A fixed way that is far behind on a link is
asked less often, since it decides nothing there. A few requests of partway on each link come before and do not count:
how soon it notices that a link has changed is shown by `benchmarks.figure14`. Ratios are of means, so that late answers
count, with 95 % of them over stretches drawn anew; those of medians stand beside.
Mark: partway's mean at most 1.02 times that of the better fixed way, on every link; 0 lost, 0 wrong. Exit status: 0 if
so, 1 if not.
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
from benchmarks.bootstrap import spread_of_means
from benchmarks.figure14.outcome import name_of
from benchmarks.figure14.playing import QUICK, Ask, PartwayAsk, Players, open_model, players
from benchmarks.figure14.reckoning import Overheads, Reckoner
from benchmarks.figure14.scaling import slowed
from benchmarks.figure14.timing import costs_at_work
from benchmarks.stage import stage
from benchmarks.verdicts import Verdict, conclude

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
_FAR_BEHIND, _SELDOM = 2.0, 4
_WARM_UPS = 10
_STRETCH = 8  # requests of one way, back to back

Stretches = Sequence[FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One link.

    Attributes:
        link: as it is written.
        reckoned_best: the cut that should be best.
        device_only_s: mean.
        server_only_s: mean; infinite where nothing was answered.
        partway_s: mean.
        ratio: partway's mean over the better one of the two.
        spread: 95 % of that ratio over stretches drawn anew.
        median_ratio: partway's median over the lesser one of the two.
        hedged: share of partway's requests that the device began to finish beside the server.
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
    spread: tuple[float, float]
    median_ratio: float
    hedged: float
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


def ratio_of(partway: Stretches, fixed: Sequence[Stretches]) -> tuple[float, tuple[float, float], float]:
    """Partway's mean over that of the better fixed way, 95 % of that ratio, and the same of medians.

    Args:
        partway: seconds of each stretch's requests.
        fixed: of each fixed way; one at least that was answered.
    """
    own, others = np.concatenate(partway), [np.concatenate(stretches) for stretches in fixed]
    means = [float(seconds.mean()) for seconds in others]
    better = fixed[int(np.argmin(means))]
    above, below = ([float(stretch.mean()) for stretch in stretches] for stretches in (partway, better))
    return (
        float(own.mean()) / min(means),
        spread_of_means(above, below, paired=False),
        float(np.median(own)) / min(float(np.median(seconds)) for seconds in others),
    )


def play(who: Players, link: Link, best: str, stretches: int) -> Row:
    """All ways on one link, in turn."""
    for _ in range(_WARM_UPS):
        who.partway()
    who.settle()
    partway: list[list[PartwayAsk]] = []
    fixed: dict[str, list[list[Ask]]] = {"device": [], "server": []}
    for number in range(stretches):
        for ours in (True, False) if number % 2 else (False, True):
            if ours:
                partway.append([who.partway() for _ in range(_STRETCH)])
            else:
                _ask_fixed(who, fixed, number)
            who.settle()  # what partway still does is no fault of the others
    seconds = {way: _seconds(found) for way, found in fixed.items()}
    own = _seconds(partway)
    ratio, spread, median_ratio = ratio_of(own, [found for found in seconds.values() if found])
    results = [ask.result for stretch in partway for ask in stretch if ask.result is not None]
    ways: list[Sequence[Sequence[Ask]]] = [partway, *fixed.values()]
    everything = [ask for way in ways for stretch in way for ask in stretch]
    return Row(
        link=format_link(link),
        reckoned_best=best,
        device_only_s=_mean_s(seconds["device"]),
        server_only_s=_mean_s(seconds["server"]),
        partway_s=_mean_s(own),
        ratio=ratio,
        spread=spread,
        median_ratio=median_ratio,
        hedged=sum(result.hedged for result in results) / max(1, len(results)),
        cuts=dict(
            Counter(name_of(result.crossing if result.offloaded else ()) for result in results).most_common(),
        ),
        lost=sum(bool(ask.lost) for ask in everything),
        wrong=sum(ask.wrong for ask in everything),
    )


def _ask_fixed(who: Players, fixed: dict[str, list[list[Ask]]], number: int) -> None:
    for way, ask in (("device", who.device_only), ("server", who.server_only)):
        stretch: list[Ask] = []
        if not number % _SELDOM or not _far_behind(fixed, way):
            fixed[way].append(stretch)
            while len(stretch) < _STRETCH and not (stretch and _far_behind(fixed, way)):
                stretch.append(ask())


def run(name: str, stretches: int, *, proxy: bool) -> tuple[str, float, list[Row]]:
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
                    rows.append(play(who, link, best, stretches))
                    print(f"{rows[-1].link}: {rows[-1].ratio:.3f}", file=sys.stderr)
            return it.how, slowdown, rows


def _link(rate_bytes_per_s: float) -> Link:
    return Link(uplink_bytes_per_s=rate_bytes_per_s, downlink_bytes_per_s=_DOWN * rate_bytes_per_s, rtt_s=_RTT_S)


def _best(table: CostTable, link: Link, overheads: Overheads) -> int:
    return int(Reckoner(table, LinkTrace.constant(link), overheads).exact_s(0.0).argmin())


def _whole_s(table: CostTable) -> float:
    return table.costs[-1].device_s


def _far_behind(fixed: dict[str, list[list[Ask]]], way: str) -> bool:
    own, other = (_seconds(fixed[name]) for name in (way, "server" if way == "device" else "device"))
    return bool(own) and bool(other) and _mean_s(own) > _FAR_BEHIND * _mean_s(other)


def _seconds(stretches: Sequence[Sequence[Ask]]) -> list[FloatArray]:
    found = [np.array([ask.total_s for ask in stretch if not ask.lost]) for stretch in stretches]
    return [seconds for seconds in found if len(seconds)]


def _mean_s(stretches: Stretches) -> float:
    return float(np.concatenate(stretches).mean()) if stretches else float("inf")


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The marks."""
    lost, wrong = sum(row.lost for row in rows), sum(row.wrong for row in rows)
    return [
        *(
            (
                f"mean on {row.link}",
                f"{row.ratio:.3f} ({row.spread[0]:.3f} to {row.spread[1]:.3f}) of the better way, {MARK} allowed",
                row.ratio <= MARK,
            )
            for row in rows
        ),
        ("lost and wrong", f"{lost} and {wrong}", not lost and not wrong),
    ]


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--stretches", type=int, default=8, help=f"of {_STRETCH} requests of each way on each link (default 8)"
    )
    parser.add_argument("--model", default="convnext-0", help="alexnet, or a family and a seed (default convnext-0)")
    parser.add_argument("--proxy", action="store_true", help="the user-space proxy, even where namespaces can be had")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the document there")
    arguments = parser.parse_args()
    how, slowdown, rows = run(arguments.model, arguments.stretches, proxy=arguments.proxy)
    texts = ("link", "should be best", "partway's cuts")
    titles = ("link", "should be best", "device ms", "server ms", "partway ms", "of means (95 %)", "of medians")
    counts = ("hedged", "partway's cuts", "lost", "wrong")
    print_table(
        f"{arguments.model}, device {slowdown:.1f}x slower, over {how}; mean ms, and ratios to the better",
        [Column(title=title, right=title not in texts) for title in (*titles, *counts)],
        [
            (
                row.link,
                row.reckoned_best,
                f"{row.device_only_s * 1e3:.1f}",
                f"{row.server_only_s * 1e3:.1f}",
                f"{row.partway_s * 1e3:.1f}",
                f"{row.ratio:.3f} ({row.spread[0]:.3f} to {row.spread[1]:.3f})",
                f"{row.median_ratio:.3f}",
                f"{row.hedged:.0%}",
                ", ".join(f"{name} {count}" for name, count in row.cuts.items()),
                str(row.lost),
                str(row.wrong),
            )
            for row in rows
        ],
    )
    marks = verdicts(rows)
    if arguments.json is not None:
        document = {
            "how": how,
            "mark": MARK,
            "model": arguments.model,
            "device_slowdown": slowdown,
            "rows": rows,
            "verdicts": marks,
        }
        write_atomically(arguments.json, msgspec.json.format(msgspec.json.encode(document), indent=2))
    return conclude(marks)


if __name__ == "__main__":
    sys.exit(main())
