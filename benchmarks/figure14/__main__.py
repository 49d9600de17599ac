"""Figure 14 for real: AlexNet and a modern network on replayed 3G, LTE and Wi-Fi, against those who know the link.

    python -m benchmarks.figure14 [--requests 70] [--traces 3g-bus lte wifi] [--models alexnet convnext-0]
                                  [--json FILE] [--figures FOLDER]

A real server and a real session on the stage of `benchmarks.stage`, each on a core of its own; the link replays a
trace. The device is slowed, and the trace's rates are multiplied where that alone will not do, until a clairvoyant
uses three cuts or more, each in a tenth of the requests: otherwise there is nothing to adapt to. Partway is asked again
and again; with every fourth of its requests device-only and server-only are asked too. What other choices would have
taken is reckoned at the very moments of partway's requests, from the exact integral of the rate, measured pieces and
measured overheads; how well that reckoning holds is said beside it, by the real requests of all three ways.
Marks: partway's measured mean, and that of its choices reckoned as the others' are, each at most 1.05 times that of a
chooser who knows the rate of the moment; nothing lost, nothing wrong; three traces and two models played. Exit status:
0 if all hold, 1 if not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from benchmarks.figure14.outcome import Outcome, as_run, inputs_row, message_bytes, sum_up
from benchmarks.figure14.picture import draw
from benchmarks.figure14.playing import QUICK, Ask, PartwayAsk, Players, open_model, players, quick_server_only_s
from benchmarks.figure14.reckoning import Overheads, Reckoner
from benchmarks.figure14.scaling import COMFORT, LEAST_SHARE, Scale, faster, find_scale, foreseen, slowed
from benchmarks.figure14.timing import costs_at_work
from benchmarks.figure14.traces import DEFAULTS, NAMES, open_trace
from benchmarks.link_traces import FOLDER, NamedTrace
from benchmarks.stage import Stage, stage
from benchmarks.verdicts import Verdict, conclude

from partway.documents import write_atomically
from partway.link import LinkTrace
from partway.planning import CostTable
from partway.reporting import Column, print_table

MARK = 1.05
_MODELS = ("alexnet", "convnext-0")
_FIXED_EVERY = 4
_LEAST_TRACES, _LEAST_MODELS = 3, 2
_WARM_UPS = 6
_ATTEMPTS = 3  # to find a scale that does
_BESIDE = 4.0  # requests of partway's take as long as device-only's and server-only's that are made beside one
_TYPICAL = Overheads(up_bytes=400, down_bytes=300, seconds=0.003)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A pair that was not played, and why."""

    trace: str
    model: str
    reason: str


def play(it: Stage, name: str, path: Path, table: CostTable, trace: NamedTrace, requests: int) -> Outcome | Skipped:
    """One model on one trace.

    Args:
        it: the stage, whose server serves the model.
        name: of the model.
        path: the model.
        table: costs on this machine, not slowed.
        trace: to replay.
        requests: of partway.
    """
    typical, made = replace(_TYPICAL, goodput=it.goodput), requests * (1.0 + _BESIDE / _FIXED_EVERY)
    attempts = 0
    while True:
        attempts += 1
        scale = find_scale(table, trace.link, typical, made)
        if scale.third < LEAST_SHARE:
            reason = f"whatever the scale, a clairvoyant's third cut is best in {scale.third:.0%} of the requests"
            return Skipped(trace=trace.name, model=name, reason=reason)
        link = faster(trace.link, scale.rate)
        with players(it, path, slowdown=scale.device, quick=replace(QUICK, rtt_s=link.rtt_s)) as who:
            # A session times its own pieces, and only some: by what it found there has to be enough to adapt to, too.
            if attempts == _ATTEMPTS or foreseen(Reckoner(who.table, link, typical), made)[1] >= COMFORT * LEAST_SHARE:
                return _replay(it, who, link, requests, trace=trace.name, origin=trace.origin, model=name, scale=scale)
            table = slowed(who.table, 1.0 / scale.device)


def _replay(
    it: Stage, who: Players, link: LinkTrace, requests: int, *, trace: str, origin: str, model: str, scale: Scale
) -> Outcome:
    # With a short round trip: over a long one, large tensors wait for TCP's window, and small ones do not.
    it.set_link(QUICK)
    quick_s = quick_server_only_s(who)
    it.set_link(link)
    for _ in range(_WARM_UPS):
        who.partway()
    asked, device, server = _rounds(who, requests)
    costs = as_run(who.table, device, server)
    up_bytes, down_bytes = message_bytes(costs, asked)
    overheads = Overheads(up_bytes=up_bytes, down_bytes=down_bytes, goodput=it.goodput)
    # On a quick and steady link: what server-only takes over its tail and its bytes.
    without_s = float(Reckoner(costs, LinkTrace.constant(QUICK), overheads).exact_s(0.0)[inputs_row(costs)])
    overheads = replace(overheads, seconds=max(0.0, quick_s - without_s))
    reckoner = Reckoner(costs, link, overheads)
    return sum_up(reckoner, asked, device, server, trace=trace, origin=origin, model=model, scale=scale)


def _rounds(who: Players, requests: int) -> tuple[list[PartwayAsk], list[Ask], list[Ask]]:
    asked: list[PartwayAsk] = []
    device: list[Ask] = []
    server: list[Ask] = []
    for number in range(requests):
        asked.append(who.partway())
        if number % _FIXED_EVERY == 0:
            who.settle()
            device.append(who.device_only())
            server.append(who.server_only())
    return asked, device, server


def run(
    traces: Sequence[NamedTrace], models: Sequence[str], requests: int, *, proxy: bool
) -> tuple[str, list[Outcome | Skipped]]:
    """Every model on every trace; how the link is emulated comes first."""
    with tempfile.TemporaryDirectory(prefix="partway-figure14-") as folder:
        paths = {name: open_model(name, Path(folder)) for name in models}
        with stage(QUICK, paths.values(), proxy=proxy) as it:
            found: list[Outcome | Skipped] = []
            for name, path in paths.items():
                table = costs_at_work(it, path)
                for trace in traces:
                    start_s = time.monotonic()
                    found.append(play(it, name, path, table, trace, requests))
                    print(f"{name} on {trace.name}: {time.monotonic() - start_s:.0f} s", file=sys.stderr)
            return it.how, found


def report(how: str, outcomes: Sequence[Outcome]) -> None:
    """Print what came of it."""
    titles = ("trace", "model", "device", "rates", "clairvoyant's cuts")
    print_table(
        f"What was played, over {how}",
        [Column(title=title, right=title in ("device", "rates"), shrinks=title == titles[-1]) for title in titles],
        [
            (
                f"{it.trace} ({it.origin})",
                it.model,
                f"{it.scale.device:.1f}x slower",
                f"x{it.scale.rate:g}",
                ", ".join(f"{name} {share:.0%}" for name, share in it.shares.items()),
            )
            for it in outcomes
        ],
    )
    ways = ("device_only", "server_only", "best_fixed", "knower", "clairvoyant", "partway_reckoned", "partway")
    shown = ("device", "server", "best fixed", "knows the rate", "clairvoyant", "partway reckoned", "partway")
    print_table(
        "Mean / p95 in ms; all but partway reckoned at the moments of its requests",
        [Column(title="trace", right=False), Column(title="model", right=False), *(Column(title=it) for it in shown)],
        [
            (it.trace, it.model, *(f"{it.ways[way].mean_s * 1e3:.0f} / {it.ways[way].p95_s * 1e3:.0f}" for way in ways))
            for it in outcomes
        ],
    )
    ratios = ("partway / knows", "by choices alone", "/ best fixed", "reckoned / measured: device, server, partway")
    counts = ("requests", "fell back", "hedged", "lost", "wrong")
    print_table(
        f"Over the chooser who knows the rate of the moment (95 % of it): at most {MARK}, measured and by choices",
        [
            Column(title="trace", right=False),
            Column(title="model", right=False),
            *(Column(title=title) for title in (*ratios, *counts)),
        ],
        [
            (
                it.trace,
                it.model,
                _ratio(it.to_knower, it.to_knower_spread),
                _ratio(it.choices_to_knower, it.choices_spread),
                f"{it.to_best_fixed:.3f}",
                ", ".join(f"{it.reckoned_to_measured[way]:.3f}" for way in ("device_only", "server_only", "partway")),
                str(it.requests),
                str(it.fell_back),
                f"{it.hedged:.0%}",
                str(it.lost),
                str(it.wrong),
            )
            for it in outcomes
        ],
    )


def verdicts(outcomes: Sequence[Outcome], skipped: Sequence[Skipped]) -> list[Verdict]:
    """The marks: two of every pair that was played, and whether enough was played to tell."""
    marks: list[Verdict] = []
    for it in outcomes:
        pair = f"{it.model} on {it.trace}"
        measured, chosen = (
            _ratio(it.to_knower, it.to_knower_spread),
            _ratio(it.choices_to_knower, it.choices_spread),
        )
        marks += [
            (f"{pair}, measured", f"{measured} of who knows the rate", it.to_knower <= MARK),
            (f"{pair}, by choices alone", f"{chosen} of who knows the rate", it.choices_to_knower <= MARK),
        ]
    lost, wrong = (sum(getattr(it, name) for it in outcomes) for name in ("lost", "wrong"))
    dull = [f"{it.model} on {it.trace}" for it in outcomes if it.third < LEAST_SHARE]
    reasons = [f"{it.model} on {it.trace} was not played: {it.reason}" for it in skipped]
    traces, models = (len({getattr(it, name) for it in outcomes}) for name in ("trace", "model"))
    enough = traces >= _LEAST_TRACES and models >= _LEAST_MODELS and not skipped
    return [
        *marks,
        ("lost and wrong", f"{lost} and {wrong}", not lost and not wrong),
        (
            "something to adapt to",
            f"third cut seldom used on {', '.join(dull) or 'none'}",
            bool(outcomes) and not dull,
        ),
        (
            f"{_LEAST_TRACES} traces and {_LEAST_MODELS} models played",
            "; ".join((f"{traces} and {models}", *reasons)),
            enough,
        ),
    ]


def _ratio(ratio: float, spread: tuple[float, float]) -> str:
    return f"{ratio:.3f} ({spread[0]:.3f} to {spread[1]:.3f})"


def main() -> int:
    """Play, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=70, help="of partway, for each pair (default 70)")
    parser.add_argument("--traces", nargs="+", choices=NAMES, default=DEFAULTS)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the traces' files are, if they are")
    parser.add_argument("--models", nargs="+", default=_MODELS, help="alexnet, or a family and a seed: vit-0")
    parser.add_argument("--proxy", action="store_true", help="the user-space proxy, even where namespaces can be had")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the document there")
    parser.add_argument("--figures", type=Path, default=Path("out/figure14"), metavar="FOLDER")
    arguments = parser.parse_args()
    traces = [open_trace(name, arguments.folder) for name in arguments.traces]
    how, found = run(traces, arguments.models, arguments.requests, proxy=arguments.proxy)
    outcomes = [it for it in found if isinstance(it, Outcome)]
    skipped = [it for it in found if isinstance(it, Skipped)]
    for it in outcomes:
        draw(it, arguments.figures / f"{it.model}-{it.trace}.png")
    report(how, outcomes)
    marks = verdicts(outcomes, skipped)
    if arguments.json is not None:
        document = {"how": how, "mark": MARK, "played": outcomes, "skipped": skipped, "verdicts": marks}
        write_atomically(arguments.json, msgspec.json.format(msgspec.json.encode(document), indent=2))
    return conclude(marks)


if __name__ == "__main__":
    sys.exit(main())
