"""Costs of cuts from what was measured on two machines.

Input: a model's cuts, one `Measurement` of the device and one of the server (perhaps the same). Output: `CutCost`
records for all of the cuts, those that nobody measured interpolated and marked so. Pure. Called by `partway plan`.
"""

import math
from collections.abc import Sequence

import msgspec

from partway.errors import InputError
from partway.graph import Cut, Model
from partway.planning.costs import CutCost
from partway.planning.interpolation import interpolate_costs
from partway.planning.sides import PieceCost, Side, costs_of_sides
from partway.profiling import CutTiming, Measurement, Timing


def costs_of_cuts(
    model: Model, cuts: Sequence[Cut], *, device: Measurement, server: Measurement
) -> tuple[CutCost, ...]:
    """What every cut costs with heads on one machine and tails on another.

    Args:
        model: the canonical graph.
        cuts: its cuts; those that a machine did not measure are interpolated by multiply-accumulates, or by nodes
            where the model has none.
        device: where heads run.
        server: where tails run.

    Raises:
        InputError: a measurement is of another model or binding, or of none of these cuts.
    """
    return costs_of_sides(
        cuts,
        device=measured_side(model, cuts, device, "device"),
        server=measured_side(model, cuts, server, "server"),
    )


def measured_side(model: Model, cuts: Sequence[Cut], measurement: Measurement, whose: str) -> Side:
    """What the pieces of every cut take on the machine that was measured.

    Args:
        model: the canonical graph.
        cuts: its cuts; those that were not measured are interpolated.
        measurement: of that machine.
        whose: what to call it in errors: device or server.

    Raises:
        InputError: the measurement is of another model or binding, or of none of these cuts.
    """
    _check_model(model, measurement, whose)
    index = {cut.crossing: row for row, cut in enumerate(cuts)}
    measured = {
        index[timing.crossing]: (_seconds(timing.head), _seconds(timing.tail))
        for timing in measurement.cuts
        if timing.crossing in index
    }
    if not measured:
        raise InputError(
            f"the {whose}'s measurement has none of the cuts that this release finds; "
            "measure anew with `partway plan --measure-only`"
        )
    depths = [float(cut.macs if model.macs else cut.depth) for cut in cuts]
    times = interpolate_costs(depths, measured)
    return Side(
        heads=tuple(PieceCost(seconds=time.device_s, how=time.how) for time in times),
        tails=tuple(PieceCost(seconds=time.server_s, how=time.how) for time in times),
    )


def covers(measurement: Measurement, cuts: Sequence[Cut]) -> bool:
    """Whether every one of these cuts was measured."""
    return {timing.crossing for timing in measurement.cuts}.issuperset(cut.crossing for cut in cuts)


def slowed(measurement: Measurement, factor: float) -> Measurement:
    """The measurement of a machine so many times slower, marked as emulated.

    Args:
        measurement: of a real machine, or of an emulated one.
        factor: how many times slower, at least 1.

    Raises:
        InputError: the factor is below 1 or not finite.
    """
    if not 1.0 <= factor < math.inf:
        raise InputError(f"a machine can be slowed by a factor of 1 or more, not {factor}")
    before = measurement.environment
    environment = msgspec.structs.replace(before, emulated_slowdown=before.emulated_slowdown * factor)
    cuts = tuple(
        CutTiming(crossing=cut.crossing, head=_scaled(cut.head, factor), tail=_scaled(cut.tail, factor))
        for cut in measurement.cuts
    )
    return msgspec.structs.replace(measurement, environment=environment, cuts=cuts)


def describe_environment(measurement: Measurement) -> str:
    """Where it was measured, in words; says so where the machine is emulated."""
    found = measurement.environment
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}" if found.threads else "all threads"
    emulated = f", EMULATED {found.emulated_slowdown:g}x slower" if found.emulated_slowdown != 1.0 else ""
    return f"{found.host} ({found.processor}, {found.cores} cores, {threads}, {found.runtime}){emulated}"


def _check_model(model: Model, measurement: Measurement, whose: str) -> None:
    if (measurement.model, measurement.binding) != (model.source_digest, model.binding.encode()):
        raise InputError(
            f"the {whose}'s measurement is of the model {measurement.model} bound to {measurement.binding}; this one "
            f"is {model.source_digest} bound to {model.binding.encode()}: measure it with `partway plan --measure-only`"
        )


def _seconds(timing: Timing | None) -> float:
    return timing.median_s if timing is not None else 0.0


def _scaled(timing: Timing | None, factor: float) -> Timing | None:
    return None if timing is None else msgspec.structs.replace(timing, median_s=timing.median_s * factor)
