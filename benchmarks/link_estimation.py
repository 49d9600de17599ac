"""What is lost by not knowing the link: the client's estimator and decision against those who know more, or guess.

    python -m benchmarks.link_estimation [--traces FOLDER] [--training] [--seeds 3] [--noise 0.05] [--json]

Every scene is one link (a measured trace, or a seeded synthetic one of 3G, LTE and Wi-Fi) and one model; one request
follows the other for as long as the trace lasts. Estimator, observer, questions, decision and hysteresis are the
client's own, on a clock moved by hand; network times have log-normal noise; questions share the uplink with requests.

    clairvoyant    knows the future         best fixed    the one cut that is best over all, picked afterwards
    knows now      knows the current rate   averages      of the rates of transfers, told the round trip
    regret         mean latency over that of who knows now, less one

The device's speed is chosen for each scene so that the clairvoyant uses three cuts or more, each in at least a tenth of
its requests; a scene where no speed does so tests nothing and says so. On steady links ours is held against the better
of device-only and server-only. Marks: a mean regret of 5 %, 2 % of the uplink's time for questions, 2 % on every steady
link; exit status 1 where one is missed. Constants of the estimator were tuned with `--training`: on synthetic links of
other seeds than those that are reported.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.figure14.scaling import LEAST_SHARE, third_share
from benchmarks.link_choosers import Averaging, Clairvoyant, Fixed, Knowing, Ours
from benchmarks.link_scene import Chooser, Outcome, Scene, play
from benchmarks.link_traces import FOLDER, RADIOS, NamedTrace, measured, steady, synthetic
from benchmarks.verdicts import Verdict, conclude, status_of

from partway.engine import Clock
from partway.link import LinkTrace
from partway.planning import CostTable, CutCost
from partway.reporting.tables import Column, print_table
from partway.testing import FakeClock

_REPORTED, _TRAINING = (11, 12), (1, 2)
_SCALES = tuple(float(scale) for scale in np.geomspace(0.5, 160.0, 40))
_MOST_REGRET, _MOST_ASKED, _MOST_OVER = 0.05, 0.02, 0.02

Parts = tuple[tuple[str, int, float], ...]

# (crossing, bytes, share of the model's seconds in the head), seconds on a device of scale 1, on the server, result.
# AlexNet: float32 sizes; seconds by operations, fc6 45 % of a device's GPU (Kang et al., ASPLOS 2017, Figs 3 to 6).
# MobileNet: float32 sizes of MobileNetV3-large at 224 x 224, shares by operations.
_MODELS: Mapping[str, tuple[Parts, float, float, int]] = {
    "alexnet": (
        (
            ("image", 618_348, 0.0),
            ("pool1", 279_936, 0.1),
            ("pool2", 173_056, 0.2),
            ("pool5", 36_864, 0.37),
            ("fc6", 16_384, 0.82),
        ),
        0.081,
        0.006,
        4_000,
    ),
    "mobilenet": (
        (
            ("image", 602_112, 0.0),
            ("stride4", 301_056, 0.18),
            ("stride8", 125_440, 0.38),
            ("stride16", 87_808, 0.75),
            ("stride32", 31_360, 0.94),
        ),
        0.05,
        0.004,
        4_000,
    ),
}


def table_of(model: str, scale: float) -> CostTable:
    """What the cuts of a model cost on a device so many times slower than the one its seconds are of."""
    parts, device_s, server_s, down_bytes = _MODELS[model]
    costs = [
        CutCost(
            crossing=(name,),
            device_s=scale * device_s * share,
            up_bytes=size_bytes,
            server_s=server_s * (1.0 - share),
            down_bytes=down_bytes,
            offloaded=True,
        )
        for name, size_bytes, share in parts
    ]
    alone = CutCost(crossing=(), device_s=scale * device_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    return CostTable.of([*costs, alone])


def scenes(traces: Sequence[NamedTrace], noise: float) -> Iterator[tuple[Scene, float]]:
    """Every trace under every model, with the device's scale; those that test nothing are left out.

    Of the speeds at which the clairvoyant uses enough cuts, the one at which its third cut is used most.
    """
    for trace in traces:
        for model in _MODELS:
            best = max((_third_share(trace, model, scale), scale) for scale in _SCALES)
            if best[0] >= LEAST_SHARE:
                yield Scene(trace=trace, model=model, table=table_of(model, best[1]), noise=noise), best[1]
            else:
                print(f"{trace.name}, {model}: no device speed makes three cuts matter; left out", file=sys.stderr)


def _third_share(trace: NamedTrace, model: str, scale: float) -> float:
    scene = Scene(trace=trace, model=model, table=table_of(model, scale), noise=0.0)
    duration_s = min(trace.link.duration_s, 300.0)
    shares = play(scene, Clairvoyant(trace.link), FakeClock(), seed=0, duration_s=duration_s).shares
    return third_share(shares)


Maker = Callable[[LinkTrace, Clock, int], Chooser]

GUESSERS: Mapping[str, Maker] = {
    "ours": lambda _, clock, seed: Ours(clock, seed=seed),
    "ours, no hysteresis": lambda _, clock, seed: Ours(clock, seed=seed, switch_gain=0.0),
    "last transfer": lambda link, _clock, _seed: Averaging(link, 1.0),
    "average 0.5": lambda link, _clock, _seed: Averaging(link, 0.5),
    "average 0.2": lambda link, _clock, _seed: Averaging(link, 0.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scene.

    Attributes:
        trace: its link.
        measured: whether somebody measured it.
        model: its cost table.
        scale: how many times slower the device is than the one of the table.
        cuts: how many cuts the clairvoyant uses in a tenth of its requests or more.
        clairvoyant_s: mean latency.
        knowing_s: of who knows the current rate.
        fixed_s: of the best fixed cut.
        regrets: of each guesser against who knows the current rate.
        p95: of each guesser over that of who knows the current rate.
        asked_share: time on the uplink that our questions took.
    """

    trace: str
    measured: bool
    model: str
    scale: float
    cuts: int
    clairvoyant_s: float
    knowing_s: float
    fixed_s: float
    regrets: Mapping[str, float]
    p95: Mapping[str, float]
    asked_share: float


def compare(scene: Scene, scale: float, *, seeds: int, guessers: Mapping[str, Maker] = GUESSERS) -> Row:
    """All choosers on one scene, each over the same seeds of noise."""
    link = scene.trace.link

    def outcomes(make: Maker) -> list[Outcome]:
        found = []
        for seed in range(seeds):
            clock = FakeClock()
            found.append(play(scene, make(link, clock, seed), clock, seed=seed))
        return found

    knowing = outcomes(lambda _link, _clock, _seed: Knowing(link))
    clairvoyant = outcomes(lambda _link, _clock, _seed: Clairvoyant(link))
    fixed_s = min(
        _mean(outcomes(lambda _link, _clock, _seed, row=row: Fixed(row)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for row in range(len(scene.table))
    )
    guessed = {name: outcomes(make) for name, make in guessers.items()}
    return Row(
        trace=scene.trace.name,
        measured=scene.trace.measured,
        model=scene.model,
        scale=scale,
        cuts=sum(share >= LEAST_SHARE for share in clairvoyant[0].shares),
        clairvoyant_s=_mean(clairvoyant),
        knowing_s=_mean(knowing),
        fixed_s=fixed_s,
        regrets={name: _mean(found) / _mean(knowing) - 1.0 for name, found in guessed.items()},
        p95={name: _p95(found) / _p95(knowing) for name, found in guessed.items()},
        asked_share=float(np.mean([found.asked_share for found in next(iter(guessed.values()))])),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyRow:
    """One link that never changes.

    Attributes:
        rate: of the uplink.
        model: its cost table.
        scale: of the device.
        better: which of device-only and server-only is.
        over: mean latency of ours over that of the better one, less one.
    """

    rate: str
    model: str
    scale: float
    better: str
    over: float


STEADY = tuple(
    (rate, rtt_s, model, scale)
    for rate, rtt_s in (("1.1Mbit/s", 0.1), ("5.85Mbit/s", 0.05), ("18.88Mbit/s", 0.005))
    for model in _MODELS
    for scale in (0.5, 4.0, 12.0, 40.0)
)


def compare_steady(rate: str, rtt_s: float, model: str, scale: float, *, noise: float, seeds: int) -> SteadyRow:
    """Ours against the two ends."""
    trace = steady(rate, rtt_s)
    scene = Scene(trace=trace, model=model, table=table_of(model, scale), noise=noise)
    totals: dict[str, list[float]] = {"server": [], "device": [], "ours": []}
    for seed in range(seeds):
        clock = FakeClock()
        choosers: dict[str, tuple[Chooser, FakeClock]] = {
            "server": (Fixed(0), FakeClock()),
            "device": (Fixed(len(scene.table) - 1), FakeClock()),
            "ours": (Ours(clock, seed=seed), clock),
        }
        for name, (chooser, own) in choosers.items():
            totals[name].append(play(scene, chooser, own, seed=seed).mean_s)
    server_s, device_s, ours_s = (float(np.mean(totals[name])) for name in ("server", "device", "ours"))
    return SteadyRow(
        rate=rate,
        model=model,
        scale=scale,
        better="device" if device_s < server_s else "server",
        over=ours_s / min(server_s, device_s) - 1.0,
    )


def _mean(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([outcome.mean_s for outcome in outcomes]))


def _p95(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([outcome.p95_s for outcome in outcomes]))


def traces_to_play(folder: Path, *, training: bool) -> list[NamedTrace]:
    """Synthetic links, and unless training the measured ones."""
    seeds = _TRAINING if training else _REPORTED
    made = [synthetic(radio, seed) for radio in RADIOS for seed in seeds]
    return made if training else [*measured(folder), *made]


def main() -> int:
    """Play every scene and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", action="store_true", help="on the links that constants were tuned on")
    parser.add_argument("--traces", type=Path, default=FOLDER, metavar="FOLDER", help="of measured links")
    parser.add_argument("--seeds", type=int, default=3, help="of noise, each a play of its own")
    parser.add_argument("--noise", type=float, default=0.05, help="standard deviation of a network time's logarithm")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    rows = []
    for scene, scale in scenes(traces_to_play(arguments.traces, training=arguments.training), arguments.noise):
        print(f"{scene.trace.name}, {scene.model}", file=sys.stderr)
        rows.append(compare(scene, scale, seeds=arguments.seeds))
    still = [compare_steady(*it, noise=arguments.noise, seeds=arguments.seeds) for it in STEADY]
    marks = verdicts(rows, still)
    if arguments.json:
        steady_rows = [asdict(row) for row in still]
        print(json.dumps({"rows": [asdict(row) for row in rows], "steady": steady_rows, "verdicts": marks}, indent=1))
        return status_of(marks)
    if rows:
        print_rows(rows, still)
    return conclude(marks)


def verdicts(rows: Sequence[Row], still: Sequence[SteadyRow]) -> list[Verdict]:
    """The marks: how much is lost on links that vary, on average over scenes, and on every steady one."""
    own = next(iter(GUESSERS))
    mean = float(np.mean([row.regrets[own] for row in rows])) if rows else float("inf")
    asked = max((row.asked_share for row in rows), default=0.0)
    worst = max(still, key=lambda row: row.over)
    return [
        (
            "regret on varying links",
            f"{mean:+.1%} on average over {len(rows)} scenes, {_MOST_REGRET:+.0%} allowed",
            mean <= _MOST_REGRET,
        ),
        ("share of the uplink for questions", f"{asked:.2%} at most, {_MOST_ASKED:.0%} allowed", asked <= _MOST_ASKED),
        (
            "steady links",
            f"{worst.over:+.2%} at worst ({worst.model} at {worst.rate}, scale {worst.scale:g}), "
            f"{_MOST_OVER:+.0%} allowed",
            worst.over <= _MOST_OVER,
        ),
    ]


def print_rows(rows: Sequence[Row], still: Sequence[SteadyRow]) -> None:
    """The tables for people."""
    names = tuple(rows[0].regrets)
    titles = ("link", "model", "cuts", "clairvoyant", "knows now", "best fixed", *names, "p95, ours", "asked")
    print_table(
        "Mean latency, and regret against who knows the current rate",
        [Column(title=title, right=place > 1) for place, title in enumerate(titles)],
        [
            (
                row.trace + ("" if row.measured else " (synthetic)"),
                row.model,
                f"{row.cuts}",
                f"{row.clairvoyant_s * 1e3:.0f} ms",
                f"{row.knowing_s * 1e3:.0f} ms",
                f"{row.fixed_s / row.knowing_s - 1.0:+.1%}",
                *(f"{row.regrets[name]:+.1%}" for name in names),
                f"{row.p95[names[0]] - 1.0:+.1%}",
                f"{row.asked_share:.2%}",
            )
            for row in rows
        ],
    )
    means = {name: float(np.mean([row.regrets[name] for row in rows])) for name in names}
    print("means: " + ", ".join(f"{name} {mean:+.1%}" for name, mean in means.items()))
    print_table(
        "Steady links: mean latency over the better of device-only and server-only",
        [
            Column(title=title, right=place > 1)
            for place, title in enumerate(("rate", "model", "scale", "better", "ours"))
        ],
        [(row.rate, row.model, f"{row.scale:g}", row.better, f"{row.over:+.2%}") for row in still],
    )


if __name__ == "__main__":
    sys.exit(main())
