"""The profile of a machine: what plans, servers and devices read to know its seconds without having measured a model.

Input: samples, fitted. Output: a versioned document, small enough to be sent to another machine. The samples stay
beside it in a file of their own, so that it can be fitted anew. Written by `partway profile`, read everywhere else.
"""

from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from partway.documents import Document, read_document
from partway.errors import InputError
from partway.prediction.analytic import named_machine
from partway.prediction.calibration import Correction
from partway.prediction.energy import FittedPower
from partway.prediction.judging import Judgement
from partway.prediction.predictor import Predictor
from partway.profiling.machine import Machine


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile was fitted to.

    Attributes:
        seed: of the random graphs.
        graphs: measured.
        kernels: in all of them.
        refused: graphs that the runtime did not run.
        disturbed: graphs that others disturbed; they were left out.
        held_out: for each number of threads, how far off predictions are on graphs that were not fitted.
    """

    seed: int
    graphs: int
    kernels: int
    refused: int
    disturbed: int
    held_out: dict[str, Judgement] = {}


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What timings of one model say beyond the profile.

    Attributes:
        model: digest of the source model.
        binding: encoded binding.
        threads: threads within an operator; 0 for the runtime's default.
        predicted_s: the whole model's seconds before.
        measured_s: what it took.
        correction: what follows for each kind of kernel.
    """

    model: str
    binding: str
    threads: int
    predicted_s: float
    measured_s: float
    correction: Correction


class Profile(Document, frozen=True, kw_only=True):
    """A machine, in what can be said of any model's seconds on it.

    Attributes:
        machine: where the samples were measured.
        runtime: name and version.
        providers: execution providers, the preferred one first.
        sampling: what it was fitted to.
        predictors: one for each number of threads.
        calibrations: of models that were timed.
        powers: what a meter says of the same numbers of threads; empty without one.
    """

    kind: ClassVar[str] = "partway.profile"
    version: ClassVar[int] = 1
    indent: ClassVar[int] = -1

    machine: Machine
    runtime: str
    providers: tuple[str, ...]
    sampling: Sampling
    predictors: Annotated[tuple[Predictor, ...], msgspec.Meta(min_length=1)]
    calibrations: tuple[Calibration, ...] = ()
    powers: tuple[FittedPower, ...] = ()

    def settle_threads(self, threads: int | None) -> int | None:
        """The number of threads to plan with: the one wanted, else the default, else the only one sampled.

        Args:
            threads: within an operator; None where it does not matter.
        """
        known = {found.threads for found in self.predictors}
        return threads if threads is not None or len(known) != 1 else known.pop() or None

    def power(self, threads: int | None) -> FittedPower | None:
        """The watts for a number of threads, if a meter told them."""
        return next((item for item in self.powers if item.threads == (threads or 0)), None)

    def predictor(self, threads: int | None) -> Predictor:
        """The predictor for a number of threads.

        Args:
            threads: within an operator; None for the runtime's default.

        Raises:
            InputError: the profile has none.
        """
        wanted = threads or 0
        for found in self.predictors:
            if found.threads == wanted:
                return found
        known = ", ".join(str(found.threads) if found.threads else "the default" for found in self.predictors)
        raise InputError(
            f"the profile has no samples with {wanted or 'the default number of'} threads, only with {known}; "
            "say --threads so, or profile with these too"
        )

    def calibration(self, model: str, binding: str, threads: int | None) -> Calibration | None:
        """What timings of a model say, if there are any."""
        key = (model, binding, threads or 0)
        return next((item for item in self.calibrations if (item.model, item.binding, item.threads) == key), None)


def read_profile(path: Path) -> Profile:
    """The profile stored at `path`, for whoever predicts what a runtime really executes.

    Raises:
        DocumentError: the file is missing, unreadable, or no profile.
        InputError: the path is the name of an analytic machine.
    """
    if named_machine(str(path)) is not None:
        raise InputError(
            f"{path} is a machine that is known by its datasheet: it has seconds of layers, not of the kernels that a "
            "runtime makes of them; expected a file of `partway profile -o`. Such machines are for --device and "
            "--server of `partway plan`"
        )
    return read_document(path, Profile)
