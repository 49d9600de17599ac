"""Costs of cuts from a machine's profile: nothing of the model has to run.

    cuts of tensors that the optimised graph keeps ─> the kernels that really run ─> seconds       "predicted"
    all other cuts ─> how far they lie, in predicted seconds of the plain graph,
                      between their neighbours among those ─> seconds                              "interpolated"

The optimised graph keeps the tensors of the cuts that were wanted, usually the candidates. Any other cut may lie inside
what was fused there, and would make other kernels. Where it lies in time, the plain graph tells, each of its nodes
predicted as a kernel of its own. Multiply-accumulates would not: pools and activations have none.

Kernels depend on the machine that optimises, which is this one. A profile of another machine is taken all the same, and
`graph_differences` says what is not alike.

Input: a piece store, cuts and a profile. Output: a `Side`, or `CutCost` records of two profiles. Called by `partway
plan` and by benchmarks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.engine import PieceStore
from partway.errors import InputError
from partway.graph import Cut, Model, Piece, read_kernels
from partway.planning.costs import CutCost, FloatArray
from partway.planning.interpolation import interpolate_costs
from partway.planning.sides import PieceCost, Side, costs_of_sides, nodes_of_heads
from partway.prediction.calibration import Correction
from partway.prediction.energy import FittedPower
from partway.prediction.pieces import PieceEstimator
from partway.prediction.predictor import Estimate, Prediction, Predictor, Setting
from partway.prediction.profile import Profile
from partway.profiling.machine import Machine
from partway.profiling.power import ConstantPower


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedSide:
    """What a profile says of a model's pieces.

    Attributes:
        side: seconds, and joules if the profile has a meter's.
        threads: that they are predicted for; None for the runtime's default.
        unsampled: kinds of kernel that were never sampled, so that a roofline stands in.
        unsampled_share: of the seconds of a piece, at most those by the roofline.
        calibrated: whether timings of this very model were applied.
        power: what a meter told of the machine; None without one.
    """

    side: Side
    threads: int | None
    unsampled: tuple[str, ...]
    unsampled_share: float
    calibrated: bool
    power: FittedPower | None


def predicted_side(
    store: PieceStore, cuts: Sequence[Cut], profile: Profile, *, threads: int | None = None, strict: bool = False
) -> PredictedSide:
    """What the pieces of every cut take on the machine that was profiled.

    Takes a fraction of a second once the store is promoted, and runs nothing.

    Args:
        store: the model's pieces, with its candidates wanted and promoted.
        cuts: cuts of the model, server-only and device-only among them.
        profile: of the machine.
        threads: within an operator; None for the default, or for the only setting that was profiled.
        strict: refuse kinds of kernel that were never sampled.

    Raises:
        EngineError: the runtime refuses to describe the graph.
        InputError: the profile has nothing for this number of threads; strict, and a kind was never sampled.
    """
    model = store.model
    settled = profile.settle_threads(threads)
    predictor = profile.predictor(settled)
    power = profile.power(settled)
    calibration = profile.calibration(model.source_digest, model.binding.encode(), settled)
    correction = None if calibration is None else calibration.correction
    prediction = Prediction(predictor)
    kept = store.marked | {tensor.name for tensor in (*model.inputs, *model.outputs)}
    exact = {row: cut for row, cut in enumerate(cuts) if kept.issuperset(cut.crossing)}
    estimates = _estimate(store, exact.values(), prediction)
    unsampled = tuple(sorted({variant for estimate in estimates.values() for variant in estimate.unsampled}))
    if strict and unsampled:
        raise InputError(
            f"the profile has no samples of {', '.join(unsampled)}; profile longer, or leave --strict out to take a "
            "roofline"
        )
    price = _Pricing(estimates, correction, power)
    return PredictedSide(
        side=_interpolate(
            _depths(model, cuts, prediction),
            {row: price(cut.head) for row, cut in exact.items()},
            {row: price(cut.tail) for row, cut in exact.items()},
        ),
        threads=settled,
        unsampled=unsampled,
        unsampled_share=max((estimate.unsampled_share for estimate in estimates.values()), default=0.0),
        calibrated=calibration is not None,
        power=power,
    )


def predicted_costs(
    store: PieceStore,
    cuts: Sequence[Cut],
    *,
    device: Profile,
    server: Profile,
    threads: int | None = None,
    strict: bool = False,
    device_slowdown: float = 1.0,
    power: ConstantPower | None = None,
) -> tuple[CutCost, ...]:
    """What every cut of a model costs, by the profiles of two machines.

    Args:
        store: the model's pieces, with its candidates wanted and promoted.
        cuts: cuts of the model, server-only and device-only among them.
        device: where heads run.
        server: where tails run.
        threads: see `predicted_side`.
        strict: the same.
        device_slowdown: emulate a device so many times slower, at least 1.
        power: the device's watts, where its profile has no meter's.

    Raises:
        EngineError: the runtime refuses to describe the graph.
        InputError: see `predicted_side`; or the slowdown is below 1.
    """
    heads, tails = (
        predicted_side(store, cuts, profile, threads=threads, strict=strict).side for profile in (device, server)
    )
    return costs_of_sides(cuts, device=heads.slowed(device_slowdown), server=tails, power=power)


def describe_profile(profile: Profile, threads: int | None, slowdown: float = 1.0) -> str:
    """The machine that was profiled, in words; says so where it is emulated.

    Args:
        profile: of the machine.
        threads: that are predicted for; None for the runtime's default.
        slowdown: 1 for the machine as it is.
    """
    machine = profile.machine
    name = machine.board if machine.board and not machine.virtual else machine.processor or "an unknown processor"
    used = "all threads" if not threads else "1 thread" if threads == 1 else f"{threads} threads"
    emulated = f", EMULATED {slowdown:g}x slower" if slowdown != 1.0 else ""
    return f"{name} ({machine.architecture}, {machine.logical_cores} cores, {used}, {profile.runtime}){emulated}"


def graph_differences(profile: Profile, *, runtime: str, providers: Sequence[str], here: Machine) -> tuple[str, ...]:
    """What makes kernels here unlike those that the profiled machine would run; one clause each.

    Args:
        profile: of the other machine, or of this one.
        runtime: name and version of the one that optimises here.
        providers: its execution providers.
        here: this machine.
    """
    there = profile.machine
    found = []
    if _release(profile.runtime) != _release(runtime):
        found.append(f"{profile.runtime} there, {runtime} here")
    if tuple(providers) != profile.providers:
        found.append(f"{', '.join(profile.providers)} there, {', '.join(providers)} here")
    if there.architecture != here.architecture:
        found.append(f"{there.architecture} there, {here.architecture} here")
    elif there.instructions != here.instructions:
        only_there = ", ".join(name for name in there.instructions if name not in here.instructions) or "no more"
        only_here = ", ".join(name for name in here.instructions if name not in there.instructions) or "no more"
        found.append(f"instruction sets: {only_there} there, {only_here} here")
    return tuple(found)


def _release(runtime: str) -> list[str]:
    # Name, major and minor: patches do not fuse otherwise.
    return runtime.split(".")[:2]


def _estimate(store: PieceStore, cuts: Iterable[Cut], prediction: Prediction) -> dict[Piece, Estimate]:
    pieces = tuple(dict.fromkeys(piece for cut in cuts for piece in (cut.head, cut.tail) if piece is not None))
    found = PieceEstimator(prediction).estimate([store.kernels(piece) for piece in pieces])
    return dict(zip(pieces, found, strict=True))


def predicted_node_seconds(model: Model, predictor: Predictor) -> FloatArray:
    """Seconds of the plain graph's nodes, each as a kernel of its own, float64 (nodes,).

    Args:
        model: the canonical graph.
        predictor: of the machine.
    """
    prediction = Prediction(predictor)
    kernels = [prediction.describe(kernel) for kernel in read_kernels(model.graph, model.tensors)]
    heavy = predictor.setting(model.weight_bytes)
    rows = [(features, heavy if features.terms.get("weight_bytes") else Setting()) for features in kernels]
    seconds, _ = prediction.kernels(rows)
    return np.asarray(seconds, dtype=np.float64)


def _depths(model: Model, cuts: Sequence[Cut], prediction: Prediction) -> list[float]:
    # Predicted seconds of the plain graph's nodes in each head, float (cuts,).
    seconds = predicted_node_seconds(model, prediction.predictor)
    return [float(depth_s) for depth_s in nodes_of_heads(cuts, len(seconds)) @ seconds]


@dataclass(frozen=True, slots=True)
class _Pricing:
    # Turns pieces into what they cost.
    estimates: Mapping[Piece, Estimate]
    correction: Correction | None
    power: FittedPower | None

    def __call__(self, piece: Piece | None) -> PieceCost:
        if piece is None:
            return PieceCost(seconds=0.0, how="predicted", energy_j=None if self.power is None else 0.0)
        estimate = self.estimates[piece]
        corrected = estimate if self.correction is None else self.correction.apply(estimate)
        return PieceCost(
            seconds=corrected.seconds,
            how="predicted",
            spread=estimate.spread if self.correction is None else self.correction.spread(estimate),
            energy_j=None if self.power is None else self.power.energy_j(corrected),
        )


def _interpolate(depths: Sequence[float], heads: Mapping[int, PieceCost], tails: Mapping[int, PieceCost]) -> Side:
    times = interpolate_costs(depths, {row: (head.seconds, tails[row].seconds) for row, head in heads.items()})
    return Side(
        heads=_fill(depths, heads, [time.device_s for time in times]),
        tails=_fill(depths, tails, [time.server_s for time in times]),
    )


def _fill(depths: Sequence[float], known: Mapping[int, PieceCost], seconds: Sequence[float]) -> tuple[PieceCost, ...]:
    # Seconds are interpolated already; spread and watts go from one known piece to the next in the same way.
    spreads = _between(depths, {index: piece.spread for index, piece in known.items() if piece.seconds})
    watts = _between(
        depths,
        {
            index: None if piece.energy_j is None else piece.energy_j / piece.seconds
            for index, piece in known.items()
            if piece.seconds
        },
    )
    return tuple(
        known.get(index)
        or PieceCost(
            seconds=piece_s,
            how="interpolated",
            spread=None if spreads is None else float(spreads[index]),
            energy_j=None if watts is None else float(watts[index]) * piece_s,
        )
        for index, piece_s in enumerate(seconds)
    )


def _between(depths: Sequence[float], known: Mapping[int, float | None]) -> FloatArray | None:
    points = sorted((depths[index], value) for index, value in known.items() if value is not None)
    if not points:
        return None
    places, values = np.array(points, dtype=np.float64).T
    return np.asarray(np.interp(np.array(depths, dtype=np.float64), places, values), dtype=np.float64)
