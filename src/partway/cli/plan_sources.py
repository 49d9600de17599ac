"""Where a plan's costs come from, for either side: a measurement, a profile or a datasheet, of this machine or another.

Input: documents that the user named, or what was measured now. Output: a `Source` for each side, with all that the
reader should know of it. Called by `partway plan`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from partway.cli.measurement_report import DISTURBED_SHARE
from partway.documents import read_one_of
from partway.engine import OrtRuntime, PieceStore
from partway.errors import DocumentError, InputError
from partway.graph import Cut, Model
from partway.planning import PredictedSide, Side, analytic_side, predicted_side
from partway.planning.measured import describe_environment, measured_side, slowed
from partway.planning.predicted import describe_profile, graph_differences
from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, machine_hint, named_machine
from partway.prediction.energy import FittedPower
from partway.prediction.profile import Profile
from partway.profiling import Measurement
from partway.profiling.machine import read_machine

Whose = Literal["device", "server"]
SideDocument = Measurement | Profile | AnalyticMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One side of a plan.

    Attributes:
        side: what its pieces take.
        machine: the machine, in words.
        how: whether its times were measured, predicted from a profile, or worked out from a datasheet.
        emulated_slowdown: 1 for the machine as it is.
        busy_share: how much of it others took while it was measured; None where nothing was.
        unsampled: kinds of kernel that its profile knows by a roofline only.
        power: what a meter told its profile.
        notes: what the reader should know of it.
    """

    side: Side
    machine: str
    how: Literal["measured", "predicted", "analytic"]
    emulated_slowdown: float = 1.0
    busy_share: float | None = None
    unsampled: tuple[str, ...] = ()
    power: FittedPower | None = None
    notes: tuple[str, ...] = ()


def read_source(path: Path) -> SideDocument:
    """The document that the user named for a side: a file's, or that of a machine that ships with the package.

    Raises:
        DocumentError: it is of another kind, or cannot be read.
    """
    named = named_machine(str(path))
    if named is not None:
        return named
    if path.name == str(path) and not path.suffix and not path.exists():
        raise DocumentError(
            f"there is no file {path}, nor a machine of that name; {machine_hint(str(path))}write a file's path or one "
            f"of {', '.join(NAMED_MACHINES)}"
        )
    return read_one_of(path, Measurement, Profile, AnalyticMachine)


def measured_source(
    model: Model, cuts: Sequence[Cut], measurement: Measurement, whose: Whose, *, slowdown: float = 1.0
) -> Source:
    """A side that was measured.

    Args:
        model: the canonical graph.
        cuts: the plan's.
        measurement: of the machine.
        whose: which side.
        slowdown: emulate a machine so many times slower.

    Raises:
        InputError: the measurement is of another model or binding, or of none of these cuts.
    """
    slow = slowed(measurement, slowdown)
    share, host = slow.busy_share, slow.environment.host
    disturbed = (
        f"other programs took up to {share:.0%} of the machine {host} while cuts were measured, so times are too long; "
        "measure all again when it is idle (--again)"
    )
    return Source(
        side=measured_side(model, cuts, slow, whose),
        machine=describe_environment(slow),
        how="measured",
        emulated_slowdown=slow.environment.emulated_slowdown,
        busy_share=share,
        notes=(disturbed,) if share > DISTURBED_SHARE else (),
    )


def predicted_source(
    store: PieceStore,
    cuts: Sequence[Cut],
    profile: Profile,
    whose: Whose,
    *,
    runtime: OrtRuntime,
    strict: bool,
    slowdown: float = 1.0,
) -> Source:
    """A side that a profile predicts.

    Args:
        store: the model's pieces, promoted.
        cuts: the plan's.
        profile: of the machine.
        whose: which side.
        runtime: what optimised the graph here.
        strict: refuse kinds of kernel that were never sampled.
        slowdown: emulate a machine so many times slower.

    Raises:
        InputError: the profile has nothing for the runtime's number of threads; strict, and a kind was never sampled.
    """
    try:
        found = predicted_side(store, cuts, profile, threads=runtime.threads, strict=strict)
    except InputError as error:
        raise InputError(f"--{whose}: {error}") from error
    return Source(
        side=found.side.slowed(slowdown),
        machine=describe_profile(profile, found.threads, slowdown),
        how="predicted",
        emulated_slowdown=slowdown,
        unsampled=found.unsampled,
        power=found.power,
        notes=tuple(_notes_on_profile(profile, found, whose, runtime)),
    )


def analytic_source(
    model: Model, cuts: Sequence[Cut], machine: AnalyticMachine, whose: Whose, *, slowdown: float = 1.0
) -> Source:
    """A side that is known by its datasheet.

    Args:
        model: the canonical graph.
        cuts: the plan's.
        machine: what is known.
        whose: which side.
        slowdown: emulate a machine so many times slower.
    """
    return Source(
        side=analytic_side(model, cuts, machine).slowed(slowdown),
        machine=machine.describe(slowdown),
        how="analytic",
        emulated_slowdown=slowdown,
        notes=(
            f"the {whose}'s seconds are analytic: from the datasheet of {machine.name} and stated assumptions, layer "
            "by layer; nothing was timed there",
        ),
    )


def _notes_on_profile(profile: Profile, found: PredictedSide, whose: Whose, runtime: OrtRuntime) -> Iterator[str]:
    differences = graph_differences(profile, runtime=runtime.version, providers=runtime.providers, here=read_machine())
    if differences:
        yield (
            f"the graph was optimised here, and the {whose}'s profile is of a machine that may run other kernels "
            f"({'; '.join(differences)})"
        )
    if found.unsampled:
        yield (
            f"the {whose}'s profile has no samples of {', '.join(found.unsampled)}: up to {found.unsampled_share:.0%} "
            "of a piece is a roofline's rough guess; profile longer, or refuse such guesses with --strict"
        )
    if found.calibrated:
        yield f"the {whose}'s predictions are corrected by timings of this very model"
