"""Put a predictor to the test on real models: predict every piece, then run them all twice.

    model file -> canonical graph -> cuts -> optimised with all of them kept -> estimates     prepare
        -> heads, tails and the whole timed in two passes, kernels under the profiler -> ModelEvaluation     measure

Input: models, a predictor, a runtime. Output: a `ModelEvaluation` each. Called by `partway evaluate` and by benchmarks.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partway.engine import OrtRuntime, PieceStore, random_feeds
from partway.errors import EngineError
from partway.graph import (
    Binding,
    Cut,
    Model,
    Source,
    candidate_cuts,
    canonicalise,
    device_only,
    prefix_cuts,
    single_tensor_cuts,
)
from partway.prediction.calibration import Correction
from partway.prediction.features import features_of
from partway.prediction.model_evaluation import CutFigures, Figures, ModelEvaluation, kinds_of
from partway.prediction.pieces import CutEstimate, PiecePredictor
from partway.prediction.predictor import Estimate, Predictor
from partway.profiling.comparison import STOPWATCH, CutTimes, Progress, Stopwatch, Twice, time_kernels, time_twice

logger = logging.getLogger(__name__)

CUTS = 10
"""How many cuts of a model are tried unless somebody says otherwise."""

MOST_CUTS = 40
"""More would spoil the graph: the runtime fuses nothing across a tensor that it must keep."""

_MOST_CROSSING = 4  # the store keeps a limited number of tensors from being fused
_SESSIONS = 2  # one at a time is in use; keeping none of the others keeps memory as flat as in serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One model, predicted and ready to be measured.

    Attributes:
        name: of the model.
        model: its canonical graph.
        optimised: whether the runtime optimised it with all cuts kept.
        feeds: its inputs.
        whole: what all of it is expected to take.
        cuts: what its pieces are; the shallowest cut first.
    """

    name: str
    model: Model
    optimised: bool
    feeds: Mapping[str, np.ndarray]
    whole: CutEstimate
    cuts: tuple[CutEstimate, ...]


def evaluate_model(
    path: Path,
    predictor: Predictor,
    runtime: OrtRuntime,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    cuts: int = CUTS,
    seed: int = 0,
    stopwatch: Stopwatch = STOPWATCH,
) -> ModelEvaluation:
    """Predict a model file and its pieces, and measure them.

    Args:
        path: an ONNX file.
        predictor: of the machine that this is, with as many threads as the runtime.
        runtime: runs the pieces.
        shapes: lengths by input name, where the file leaves them open.
        values: inputs held constant, by name.
        cuts: how many cuts, at most `MOST_CUTS`.
        seed: of the random inputs.
        stopwatch: how pieces are timed.

    Raises:
        InputError: the model cannot be opened, bound or run.
        EngineError: the runtime fails on a piece.
    """
    source = Source.open(path)
    trial = prepare(source, source.bind(shapes, values), predictor, runtime, cuts=cuts, seed=seed)
    return measure(trial, runtime, stopwatch=stopwatch)


def prepare(
    source: Source,
    binding: Binding,
    predictor: Predictor,
    runtime: OrtRuntime,
    *,
    cuts: int = CUTS,
    seed: int = 0,
    strict: bool = False,
) -> Trial:
    """Predict a model and its pieces, and run it once: whatever is wrong with it shows here.

    Args:
        source: the model.
        binding: shapes of its inputs.
        predictor: of the machine to be predicted.
        runtime: optimises and runs the pieces.
        cuts: how many cuts, at most `MOST_CUTS`.
        seed: of the random inputs.
        strict: refuse kinds of kernel that were never sampled.

    Raises:
        InputError: the runtime refuses the model under this binding; an input cannot be made up; strict, and a kind of
            kernel was never sampled.
        EngineError: the runtime fails on it.
    """
    model = canonicalise(source, binding, runtime)
    chosen = choose_cuts(model, cuts)
    store = PieceStore(model, runtime, capacity=_SESSIONS)
    store.want(chosen)
    optimised = store.promote()
    whole, *estimates = PiecePredictor(predictor, store, strict=strict).cuts((device_only(model), *chosen))
    feeds = random_feeds(model.inputs, np.random.default_rng(seed))
    if whole.cut.head is not None:
        store.session(whole.cut.head).run({name: feeds[name] for name in whole.cut.head.inputs})
    return Trial(name=source.label, model=model, optimised=optimised, feeds=feeds, whole=whole, cuts=tuple(estimates))


def measure(
    trial: Trial,
    runtime: OrtRuntime,
    *,
    stopwatch: Stopwatch = STOPWATCH,
    progress: Progress = lambda _done, _total: None,
) -> ModelEvaluation:
    """Measure what was predicted.

    Args:
        trial: the model.
        runtime: the one that it was prepared with.
        stopwatch: how pieces are timed.
        progress: told how many of how many cuts are done, both passes counted.

    Raises:
        EngineError: the runtime fails on a piece.
    """
    store = PieceStore(trial.model, runtime, capacity=_SESSIONS)
    store.want(estimate.cut for estimate in trial.cuts)
    store.promote()
    # The whole is timed amid the others, when caches and clocks are as they stay.
    middle = len(trial.cuts) // 2
    ordered = [estimate.cut for estimate in (*trial.cuts[:middle], trial.whole, *trial.cuts[middle:])]
    times = list(time_twice(store, ordered, trial.feeds, stopwatch=stopwatch, progress=progress))
    whole, whole_times = trial.whole.head, times.pop(middle).head
    if whole is None or whole_times is None:
        raise EngineError(f"{trial.name} computes nothing: there is nothing to measure; expected a model with outputs")
    calibrate = Correction().observe(whole, whole_times.measured_s).apply
    variants, kernels_s = _kernels(store, trial, stopwatch)
    return ModelEvaluation(
        model=trial.name,
        digest=trial.model.source_digest,
        binding=trial.model.binding.encode(),
        threads=runtime.threads or 0,
        macs=trial.model.macs,
        weight_bytes=trial.model.weight_bytes,
        optimised=trial.optimised,
        whole=Figures.of(whole_times, whole, calibrate(whole)),
        cuts=tuple(_cut_figures(*pair, calibrate) for pair in zip(trial.cuts, times, strict=True)),
        kinds=kinds_of(whole, variants, kernels_s, whole_times.repeated_s),
    )


def choose_cuts(model: Model, most: int) -> tuple[Cut, ...]:
    """Cuts with work on both sides, from the shallowest to the deepest: candidates of planning, then others between.

    Each next one is where the largest gap is, in multiply-accumulates of the head, or in nodes where the model has
    none. Cuts of one tensor fill the gaps as far as they can, cuts of a few what they leave. Other than candidates,
    none leaves the same work as one before: between the two lies only what the runtime fuses.

    Args:
        model: the canonical graph.
        most: how many at most.
    """

    def place(cut: Cut) -> int:
        return cut.macs if model.macs else cut.depth

    def leanest(cuts: Iterable[Cut]) -> list[Cut]:
        ordered = sorted(cuts, key=lambda cut: (-cut.up_bytes, cut.depth))
        return list({place(cut): cut for cut in ordered if len(cut.crossing) <= _MOST_CROSSING}.values())

    total = model.macs or len(model.nodes)
    singles, several = leanest(single_tensor_cuts(model)), leanest(prefix_cuts(model))
    fair = total / (2 * (most + 1))
    chosen: list[Cut] = []
    for pool, least_gap in ((candidate_cuts(model), 0), (singles, fair), (several, fair), ((*singles, *several), 1)):
        open_cuts = [cut for cut in pool if cut.head is not None and cut.tail is not None and cut.depth > 0]
        while open_cuts and len(chosen) < most:
            taken = (0, total, *map(place, chosen))
            gaps = [min(abs(place(cut) - other) for other in taken) for cut in open_cuts]
            if max(gaps) < least_gap:
                break
            chosen.append(open_cuts.pop(gaps.index(max(gaps))))
    return tuple(sorted(chosen, key=lambda cut: (cut.depth, cut.crossing)))


def _kernels(
    store: PieceStore, trial: Trial, stopwatch: Stopwatch
) -> tuple[tuple[str, ...], tuple[float | None, ...] | None]:
    # The variant of each kernel of the whole model, and its seconds where the runtime tells them.
    piece = trial.whole.cut.head
    if piece is None:
        return (), None
    variants = tuple(features_of(kernel).variant for kernel in store.kernels(piece).kernels)
    try:
        feeds = {name: trial.feeds[name] for name in piece.inputs}
        kernels_s = time_kernels(store, piece, feeds, effort=stopwatch.kernels)
    except EngineError as error:
        logger.info("kernels_not_timed model=%s reason=%s", trial.name, error)
        return variants, None
    return variants, kernels_s


def _cut_figures(estimate: CutEstimate, times: CutTimes, calibrate: Callable[[Estimate], Estimate]) -> CutFigures:
    def figures(predicted: Estimate | None, measured: Twice | None) -> Figures | None:
        if predicted is None or measured is None:
            return None
        return Figures.of(measured, predicted, calibrate(predicted))

    cut = estimate.cut
    return CutFigures(
        crossing=cut.crossing,
        depth=cut.depth,
        macs=cut.macs,
        up_bytes=cut.up_bytes,
        down_bytes=cut.down_bytes,
        head=figures(estimate.head, times.head),
        tail=figures(estimate.tail, times.tail),
    )
