"""What is lost by choosing the cut that a prediction says is best, over a grid of devices and links.

    python -m benchmarks.regret --profile pi4.json --measured pi4.measured.jsonl --list test --json regret.json

Works on what `benchmarks.prediction` measured. Device and server are this machine, the device so many times slower.

    grid        slowdowns 1..60 x rates 1 Mbit/s..1 Gbit/s (both ways alike) x round trips 0.3..60 ms
    reference   the cut that is best by one pass of measurements
    contestant  the cut that is best by prediction
    regret      latency of the contestant's cut over that of the reference's, both by the other pass, less one

The pass that picks never charges: the best of many noisy measurements looks better than it is (the winner's curse), and
charging anew is fair to both. Each pass picks once while the other charges. So a regret can be negative, where the
reference was picked by luck: the mean counts these as they are, `losses` counts them as nothing. `repeat` shows what
the machine itself allows: what the reference loses against the best of the pass that charges.

In most of the grid one end wins whoever predicts. So the grid is restricted by measurement alone, the same for all
contestants: of each model, all scenarios whose reference is inside stay, and twice as many others, spread evenly.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.contest import chosen, contestants, estimate
from benchmarks.measured import MeasuredModel, read_measured
from benchmarks.model_lists import LISTS

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, coefficients
from partway.prediction.predictor import Estimate, KernelPrediction
from partway.reporting.tables import Column, print_table

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SLOWDOWNS = np.geomspace(1.0, 60.0, 10)
_BITS_PER_S = np.geomspace(1e6, 1e9, 13)
_RTTS_S = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.06)
_OTHERS = 2  # scenarios kept whose best cut is an end, for each whose best cut is inside

GRID = tuple(
    Conditions(
        uplink_bytes_per_s=bits / 8.0, downlink_bytes_per_s=bits / 8.0, rtt_s=rtt_s, device_factor=float(slowdown)
    )
    for slowdown, bits, rtt_s in product(_SLOWDOWNS, _BITS_PER_S, _RTTS_S)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """One contestant over all scenarios.

    Attributes:
        name: of the contestant.
        scenarios: how many, both passes counted.
        inside: share of them whose reference is inside.
        mean: of all regrets, gains counted as negative.
        losses: the same with gains counted as nothing.
        ninety_fifth: 95 of 100 are below.
        largest: of all.
        same: share in which the contestant takes the reference's cut.
        worst: where the largest is.
    """

    name: str
    scenarios: int
    inside: float
    mean: float
    losses: float
    ninety_fifth: float
    largest: float
    same: float
    worst: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenarios:
    """What is kept of the grid for one model and the pass that picks.

    Attributes:
        model: the model's name.
        charged_s: float64 (scenarios, cuts): latencies by the other pass.
        reference: cut that the picking pass has as best, of each scenario.
        inside: whether that is neither end.
        conditions: of each.
        coefficients: float64 (terms, scenarios): what they charge for the columns of a cost table.
        last: place of the device-only cut, the server-only one being the first.
    """

    model: str
    charged_s: FloatArray
    reference: IntArray
    inside: npt.NDArray[np.bool_]
    conditions: tuple[Conditions, ...]
    coefficients: FloatArray
    last: int

    def best(self, table: CostTable) -> IntArray:
        """The cut that costs have as best, of each scenario."""
        best: IntArray = (table.terms @ self.coefficients).argmin(axis=0)
        return best

    @property
    def lost(self) -> FloatArray:
        """What the reference loses against the best by the pass that charges: the machine's own doing."""
        lost: FloatArray = self._charge(self.reference) / self.charged_s.min(axis=1) - 1.0
        return lost

    def regrets(self, picked: IntArray) -> FloatArray:
        """What some cuts lose against the reference, by the pass that charges."""
        regrets: FloatArray = self._charge(picked) / self._charge(self.reference) - 1.0
        return regrets

    def _charge(self, picked: IntArray) -> FloatArray:
        charged: FloatArray = self.charged_s[np.arange(len(picked)), picked]
        return charged


def table_of(model: MeasuredModel, seconds: Sequence[float]) -> CostTable:
    """Costs of server-only, of every inner cut, and of device-only.

    Args:
        model: tells the bytes.
        seconds: of each of `MeasuredModel.pieces`.
    """
    heads, tails = (0.0, *seconds[1::2], seconds[0]), (seconds[0], *seconds[2::2], 0.0)
    up_bytes = (model.input_bytes, *(cut.up_bytes for cut in model.cuts), 0)
    down_bytes = (model.output_bytes, *(cut.down_bytes for cut in model.cuts), 0)
    alone = len(model.cuts) + 1
    return CostTable.of(
        [
            CutCost(
                crossing=() if row == alone else (str(row),),
                device_s=heads[row],
                up_bytes=up_bytes[row],
                server_s=tails[row],
                down_bytes=down_bytes[row],
                offloaded=row != alone,
            )
            for row in range(alone + 1)
        ]
    )


def measured_table(model: MeasuredModel, number: int) -> CostTable:
    """Costs by the first pass (0) or the second (1)."""
    return table_of(model, model.seconds(number))


def scenarios_of(model: MeasuredModel, picking: int) -> Scenarios | None:
    """The scenarios of a model; None where no reference of the grid is inside.

    Args:
        model: as it was measured.
        picking: the pass that picks; the other charges.
    """
    every = np.array([coefficients(conditions) for conditions in GRID]).T
    reference = (measured_table(model, picking).terms @ every).argmin(axis=0)
    last = len(model.cuts) + 1
    inside = (reference > 0) & (reference < last)
    if not inside.any():
        return None
    others = np.flatnonzero(~inside)
    count = min(len(others), _OTHERS * int(inside.sum()))
    spread = others[np.linspace(0, len(others) - 1, count).round().astype(int)]
    kept = np.union1d(np.flatnonzero(inside), spread)
    return Scenarios(
        model=model.model,
        charged_s=(measured_table(model, 1 - picking).terms @ every[:, kept]).T,
        reference=reference[kept],
        inside=inside[kept],
        conditions=tuple(GRID[index] for index in kept),
        coefficients=every[:, kept],
        last=last,
    )


def predicted_tables(model: MeasuredModel, prediction: KernelPrediction, picking: int) -> tuple[CostTable, CostTable]:
    """Costs by a prediction alone, and after one timing of the whole model in the pass that picks."""

    def table(estimates: Sequence[Estimate]) -> CostTable:
        return table_of(model, [found.seconds for found in estimates])

    found = estimate(model, prediction, number=picking)
    return table(found.pieces), table(found.after_one)


def compare(models: Sequence[MeasuredModel], predictions: dict[str, KernelPrediction]) -> tuple[Regret, ...]:
    """Every contestant on the same scenarios.

    Args:
        models: measured.
        predictions: by contestant.

    Raises:
        InputError: no model has a scenario whose reference is inside.
    """
    picks: dict[str, list[IntArray]] = {}
    kept: list[Scenarios] = []
    for model, picking in product(models, (0, 1)):
        found = scenarios_of(model, picking)
        if found is None:
            continue
        kept.append(found)
        for name, prediction in predictions.items():
            alone, calibrated = predicted_tables(model, prediction, picking)
            picks.setdefault(name, []).append(found.best(alone))
            picks.setdefault(f"{name}, after one timing", []).append(found.best(calibrated))
        ends = (measured_table(model, picking).terms @ found.coefficients)[[0, found.last]].argmin(axis=0)
        picks.setdefault("the better end, measured", []).append(np.where(ends, found.last, 0))
    if not kept:
        raise InputError(f"of {len(models)} models none has a best cut inside on this grid; measure others")
    lost = np.concatenate([it.lost for it in kept])
    best = np.concatenate([it.charged_s.argmin(axis=1) for it in kept])
    return (
        *(_summary(name, kept, chosen_cuts) for name, chosen_cuts in picks.items()),
        _regret("repeat", kept, lost, best),
    )


def _summary(name: str, kept: Sequence[Scenarios], picks: Sequence[IntArray]) -> Regret:
    regrets = np.concatenate([found.regrets(picked) for found, picked in zip(kept, picks, strict=True)])
    return _regret(name, kept, regrets, np.concatenate(picks))


def _regret(name: str, kept: Sequence[Scenarios], regrets: FloatArray, picks: IntArray) -> Regret:
    worst = int(regrets.argmax())
    where = [(found.model, conditions) for found in kept for conditions in found.conditions][worst]
    return Regret(
        name=name,
        scenarios=len(regrets),
        inside=float(np.concatenate([found.inside for found in kept]).mean()),
        mean=float(regrets.mean()),
        losses=float(np.maximum(regrets, 0.0).mean()),
        ninety_fifth=float(np.quantile(regrets, 0.95)),
        largest=float(regrets.max()),
        same=float((picks == np.concatenate([found.reference for found in kept])).mean()),
        worst=_words(*where),
    )


def _words(model: str, conditions: Conditions) -> str:
    return (
        f"{model}, device {conditions.device_factor:.2g}x slower, {conditions.uplink_bytes_per_s * 8e-6:.3g} Mbit/s, "
        f"{conditions.rtt_s * 1e3:g} ms"
    )


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="by default beside the profile")
    parser.add_argument("--list", choices=sorted(LISTS), default="test")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="these instead")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    source = arguments.measured or arguments.profile.with_name(f"{arguments.profile.stem}.measured.jsonl")
    header, models = read_measured(source)
    models = chosen(models, arguments.models or LISTS[arguments.list])
    predictions = {it.name: it.prediction for it in contestants(arguments.profile, header.threads)}
    silent = [model.model for model in models if all(scenarios_of(model, picking) is None for picking in (0, 1))]
    steady = [model for model in models if model.steady]
    results = {"all models": compare(models, predictions)}
    if len(steady) < len(models):
        results["models that repeat within 5 %"] = compare(steady, predictions)
    for title, regrets in results.items():
        print_regrets(title, regrets)
    if silent:
        print(f"nowhere on the grid is the best cut inside: {', '.join(silent)}")
    if arguments.json:
        document = {title: [asdict(it) for it in regrets] for title, regrets in results.items()}
        arguments.json.write_text(json.dumps({"regrets": document, "never_inside": silent}, indent=1) + "\n")
    return 0


def print_regrets(title: str, regrets: Sequence[Regret]) -> None:
    """One table."""
    titles = ("contestant", "mean", "losses", "95 of 100", "largest", "same cut", "worst at")
    print_table(
        f"{title.capitalize()}: {regrets[0].scenarios} scenarios, the reference inside in {regrets[0].inside:.0%}",
        [Column(title=title, right=0 < place < len(titles) - 1) for place, title in enumerate(titles)],
        [
            (
                it.name,
                *(f"{value:.2%}" for value in (it.mean, it.losses, it.ninety_fifth, it.largest)),
                f"{it.same:.0%}",
                it.worst,
            )
            for it in regrets
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
