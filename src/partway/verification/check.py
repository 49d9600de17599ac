"""Is head then tail the model? Run at every cut and compared with the author's own file.

Input: a source, its canonical graph, feeds. Output: a `CheckReport`. Every single-tensor cut and a sample of
multi-tensor cuts is tried as it is first served (from the canonical graph), and the cuts that planning prefers
once more as they are served after promotion (from the graph optimised for this machine).
Called by `partway check`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from partway.engine import Level, OrtRuntime, PieceStore
from partway.graph import (
    Cut,
    Model,
    Source,
    candidate_cuts,
    device_only,
    prefix_cuts,
    single_tensor_cuts,
)
from partway.verification.tolerance import Difference, Tolerance, difference, has_no_number, is_inexact, tolerances_of

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutCheck:
    """One cut's result.

    Attributes:
        crossing: the tensors that crossed.
        optimised: whether its pieces came from the graph optimised for this machine.
        worst: the largest difference over all outputs.
        passed: whether every output is within its tolerance.
    """

    crossing: tuple[str, ...]
    optimised: bool
    worst: Difference
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `partway check` found.

    Attributes:
        checks: one per cut and way of serving it.
        tolerances: by output name.
        nodes: nodes of the canonical graph.
        cuttable_nodes: nodes after which a single tensor can cross.
        unproved: outputs of a floating type whose reference has no finite value but zero: equal answers prove nothing.
        without_numbers: those of them that have no finite value at all.
    """

    checks: tuple[CutCheck, ...]
    tolerances: Mapping[str, Tolerance]
    nodes: int
    cuttable_nodes: int
    unproved: tuple[str, ...] = ()
    without_numbers: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every cut was within tolerance, and at least one output had a number to compare."""
        return all(check.passed for check in self.checks) and not self.proved_nothing

    @property
    def proved_nothing(self) -> bool:
        """Whether no output had a single finite number."""
        return len(self.without_numbers) == len(self.tolerances) > 0

    @property
    def cuts_checked(self) -> int:
        """How many different cuts were run."""
        return len({check.crossing for check in self.checks})

    @property
    def worst(self) -> CutCheck:
        """The check with the largest relative difference."""
        return max(self.checks, key=lambda check: check.worst.relative)


def check_model(
    source: Source,
    model: Model,
    runtime: OrtRuntime,
    feeds: Mapping[str, np.ndarray],
    *,
    sample: int = 16,
    generator: np.random.Generator,
    progress: Progress = lambda _done, _total: None,
) -> CheckReport:
    """Run head then tail at cuts of `model` and compare with the source file in a plain session.

    Args:
        source: the author's file.
        model: its canonical graph.
        runtime: runs both.
        feeds: one array per input of `model`.
        sample: multi-tensor cuts to try, drawn by `generator`.
        generator: draws them.
        progress: told how many of how many checks are done.

    Raises:
        EngineError: the runtime fails on a piece.
        BindingError: the feeds do not fit.
    """
    given = {**feeds, **{value.name: value.array() for value in model.binding.values}}
    reference = runtime.open(source.path).run(given)
    basic = runtime.open(source.path, level=Level.BASIC).run(given)
    tolerances = tolerances_of(reference, basic)
    single = single_tensor_cuts(model)
    several = [cut for cut in prefix_cuts(model) if len(cut.crossing) > 1]
    drawn = sorted(generator.choice(len(several), min(sample, len(several)), replace=False)) if several else ()
    cuts = (*single, *(several[index] for index in drawn), device_only(model))
    plain, optimised = PieceStore(model, runtime), PieceStore(model, runtime)
    optimised.want_candidates()
    optimised.promote()
    wanted = ((plain, cuts), (optimised, candidate_cuts(model)))
    total = sum(len(chosen) for _, chosen in wanted)
    checks: list[CutCheck] = []
    for store, chosen in wanted:
        for cut in chosen:
            checks.append(_check_cut(store, cut, feeds, reference, tolerances, optimised=store is optimised))
            progress(len(checks), total)
    unproved = tuple(name for name, array in reference.items() if tolerances[name].scale == 0 and is_inexact(array))
    return CheckReport(
        checks=tuple(checks),
        tolerances=tolerances,
        nodes=len(model.nodes),
        cuttable_nodes=sum(1 for cut in single if cut.depth),
        unproved=unproved,
        without_numbers=tuple(name for name in unproved if has_no_number(reference[name])),
    )


def run_cut(store: PieceStore, cut: Cut, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model's outputs, computed as head and then tail.

    Args:
        store: the pieces.
        cut: where to cut.
        feeds: the model's inputs.
    """
    known = dict(feeds)
    for piece in (cut.head, cut.tail):
        if piece is not None:
            known |= store.session(piece).run({name: known[name] for name in piece.inputs})
    return {tensor.name: known[tensor.name] for tensor in store.model.outputs}


def _check_cut(
    store: PieceStore,
    cut: Cut,
    feeds: Mapping[str, np.ndarray],
    reference: Mapping[str, np.ndarray],
    tolerances: Mapping[str, Tolerance],
    *,
    optimised: bool,
) -> CutCheck:
    answer = run_cut(store, cut, feeds)
    found = {name: difference(array, answer[name]) for name, array in reference.items()}
    passed = all(found[name].absolute <= tolerances[name].absolute for name in reference)
    worst = max(found.values(), key=lambda item: item.relative)
    return CutCheck(crossing=cut.crossing, optimised=optimised, worst=worst, passed=passed)
