"""What each modelling choice bought: the same samples and measurements, one choice more at a time, and one left out.

    python -m benchmarks.ablation --profile pi4.json --measured pi4.measured.jsonl --json ablation.json

Nothing is measured: predictors are fitted to the samples beside the profile and held against what
`benchmarks.prediction` measured of the validation and test models. Each choice is undone by changing what the fit is
given, never the fit:

    variants    one formula an operator, whatever layout, sizes and types make it do
    amounts     only multiply-accumulates as a textbook counts them, bytes, elements and the call
    caches      samples with warm caches only, and caches that everything fits into
    profiler    the profiler's cost left in the kernels' seconds
    residual    the formula alone
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import prod
from pathlib import Path

import msgspec
from benchmarks.contest import chosen, estimate, evaluation, undisturbed
from benchmarks.measured import MeasuredModel, read_measured
from benchmarks.model_lists import LISTS
from benchmarks.regret import compare

from partway.cli.profile import samples_beside
from partway.documents import read_document
from partway.errors import InputError
from partway.graph import Kernel
from partway.prediction.evaluation import summarise
from partway.prediction.features import Features, features_of
from partway.prediction.fitting import Form, fit_predictor
from partway.prediction.paper import PaperPrediction, fit_paper
from partway.prediction.predictor import KernelPrediction, Prediction
from partway.prediction.profile import Profile
from partway.profiling.machine import Cache, Machine
from partway.profiling.samples import Runs, Sample
from partway.reporting.tables import Column, print_table

CHOICES: Mapping[str, str] = {
    "variants": "a formula for each variant of an operator",
    "amounts": "the loops' own amounts of work: tiles, edges, padding skipped",
    "caches": "where weights come from: warm and cold samples, cache sizes",
    "profiler": "the profiler's own cost taken off",
    "residual": "what samples nearby say beyond the formula",
}
_PLAIN = frozenset({"call", "input_bytes", "output_bytes", "weight_bytes", "elements"})
_PRODUCTS = ("macs", "recurrent_macs")
_ENDLESS = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One form of prediction on one list of models.

    Attributes:
        form: what it has.
        models: whole models, those that the machine repeats within 5 %.
        median_error: of these.
        within_10_percent: share of them.
        within_20_percent: share of them.
        pieces_median_error: heads and tails of all models.
        calibrated_median_error: the same after one timing of the whole.
        mean_regret: of the cut chosen, of the steady models; None where none of them has its best cut inside.
    """

    form: str
    models: int
    median_error: float | None
    within_10_percent: float | None
    within_20_percent: float | None
    pieces_median_error: float | None
    calibrated_median_error: float | None
    mean_regret: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """Turns kernels into features, with some choices undone.

    Attributes:
        choices: those that are made.
    """

    choices: frozenset[str]

    def __call__(self, kernel: Kernel) -> Features:
        """The features of a kernel."""
        found = features_of(kernel)
        variant = found.variant if "variants" in self.choices else kernel.op_type
        terms = found.terms if "amounts" in self.choices else textbook_terms(kernel, found)
        return Features(variant=variant, terms=terms, sizes=found.sizes)


def textbook_terms(kernel: Kernel, features: Features) -> dict[str, float]:
    """Multiply-accumulates over all positions, padded ones too, bytes, elements and the call."""
    terms = {name: amount for name, amount in features.terms.items() if name in _PLAIN}
    weight = kernel.inputs[1] if len(kernel.inputs) > 1 else None
    if features.variant.startswith("Conv.") and weight is not None and weight.shape is not None:
        terms["macs"] = float(kernel.outputs[0].elements * prod(weight.shape[1:]))
    elif macs := sum(features.terms.get(name, 0.0) for name in _PRODUCTS):
        terms["macs"] = macs
    return terms


def without_cold(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples as if caches had never been swept."""
    return tuple(msgspec.structs.replace(sample, cold=None) for sample in samples)


def without_profiler_cost(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples as if a run took what the profiler says of its kernels: then profiling seems to cost nothing."""

    def summed(runs: Runs) -> Runs:
        return msgspec.structs.replace(runs, total_s=sum(seconds or 0.0 for seconds in runs.kernels_s))

    return tuple(msgspec.structs.replace(sample, warm=summed(sample.warm)) for sample in samples)


def endless(machine: Machine) -> Machine:
    """The machine with a cache that everything fits into."""
    cache = Cache(level=1, content="unified", size_bytes=_ENDLESS, shared_by=1)
    return msgspec.structs.replace(machine, caches=(cache,))


def fit(samples: Sequence[Sample], machine: Machine, threads: int, choices: frozenset[str]) -> Prediction:
    """A prediction with some choices made and the others undone.

    Args:
        samples: undisturbed.
        machine: where they were measured.
        threads: within an operator; 0 for the runtime's default.
        choices: keys of `CHOICES`.
    """
    if "caches" not in choices:
        samples, machine = without_cold(samples), endless(machine)
    if "profiler" not in choices:
        samples = without_profiler_cost(samples)
    describe = Describer(choices=choices)
    form = Form.PHYSICAL_AND_RESIDUAL if "residual" in choices else Form.PHYSICAL
    predictor = fit_predictor(samples, threads=threads, machine=machine, form=form, describe=describe)
    return Prediction(predictor, describe=describe)


def forms(samples: Sequence[Sample], machine: Machine, threads: int) -> Iterator[tuple[str, KernelPrediction]]:
    """Every form of prediction: baselines, the choices one after the other, then all but one."""
    yield "the paper's regressions", PaperPrediction(fit_paper(samples, threads=threads))
    everything = frozenset(CHOICES)
    full = fit(samples, machine, threads, everything)
    yield "a roofline for every kernel", Prediction(msgspec.structs.replace(full.predictor, variants={}))
    yield "one formula an operator: calls, bytes, multiply-accumulates", fit(samples, machine, threads, frozenset())
    added = list(accumulate(({name} for name in CHOICES), lambda before, one: before | one))
    for name, choices in zip(CHOICES, added, strict=True):
        made = frozenset(choices)
        yield f"+ {name}: {CHOICES[name]}", full if made == everything else fit(samples, machine, threads, made)
    for name in list(CHOICES)[:-1]:
        yield f"all but {name}", fit(samples, machine, threads, everything - {name})


def judge(name: str, prediction: KernelPrediction, models: Sequence[MeasuredModel], threads: int) -> Row:
    """One row of the table."""
    found = [evaluation(estimate(model, prediction), threads=threads, prediction=prediction) for model in models]
    summary = summarise(found)
    try:
        regret = compare([model for model in models if model.steady], {name: prediction})[0].mean
    except InputError:
        regret = None  # nowhere is the best cut inside
    return Row(
        form=name,
        models=summary.steady_models.count,
        median_error=summary.steady_models.median_error,
        within_10_percent=summary.steady_models.within_10_percent.share,
        within_20_percent=summary.steady_models.within_20_percent.share,
        pieces_median_error=summary.pieces.median_error,
        calibrated_median_error=summary.calibrated_pieces.median_error,
        mean_regret=regret,
    )


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """One table."""
    titles = ("form", "median", "in 10 %", "in 20 %", "pieces", "calibrated", "regret")
    print_table(
        f"{title}: {rows[0].models} models that repeat within 5 %",
        [Column(title=name, right=bool(place)) for place, name in enumerate(titles)],
        [
            (
                row.form,
                _percent(row.median_error),
                _percent(row.within_10_percent, 0),
                _percent(row.within_20_percent, 0),
                _percent(row.pieces_median_error),
                _percent(row.calibrated_median_error),
                _percent(row.mean_regret),
            )
            for row in rows
        ],
    )


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}%}"


def main() -> int:
    """Fit, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="by default beside the profile")
    parser.add_argument("--list", nargs="+", choices=("validation", "test"), default=["validation", "test"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    header, models = read_measured(
        arguments.measured or arguments.profile.with_name(f"{arguments.profile.stem}.measured.jsonl")
    )
    lists = {name: chosen(models, LISTS[name]) for name in arguments.list}
    machine = read_document(arguments.profile, Profile).machine
    rows: dict[str, list[Row]] = {name: [] for name in lists}
    for form, prediction in forms(undisturbed(samples_beside(arguments.profile)), machine, header.threads):
        print(form, file=sys.stderr)
        for name, found in lists.items():
            rows[name].append(judge(form, prediction, found, header.threads))
    for name, own in rows.items():
        print_rows(name.capitalize(), own)
    if arguments.json:
        document = {name: [asdict(row) for row in own] for name, own in rows.items()}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
