"""Do the files of a split answer as the author's file does?

Input: a source, sample inputs, the files as they were written. Output: an `ExportReport`. Every file runs in a
plain session of ONNX Runtime, as it will wherever it is taken: nothing of Partway's is between.
Called by `partway split`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partway.engine import Level, OrtRuntime
from partway.errors import EngineError, ModelError
from partway.graph import Source
from partway.verification.tolerance import Difference, Tolerance, difference, has_no_number, is_inexact, tolerances_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCheck:
    """One output's result.

    Attributes:
        name: of the output.
        found: how far it is from the reference.
        tolerance: how far it may be.
    """

    name: str
    found: Difference
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance."""
        return self.found.absolute <= self.tolerance.absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What running the files showed.

    Attributes:
        outputs: one per output of the model.
        unproved: outputs of a floating type whose reference has no finite value but zero: equal answers prove nothing.
        without_numbers: those of them that have no finite value at all.
    """

    outputs: tuple[OutputCheck, ...]
    unproved: tuple[str, ...]
    without_numbers: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every output is within tolerance, and at least one had a number to compare."""
        return all(output.passed for output in self.outputs) and not self.proved_nothing

    @property
    def proved_nothing(self) -> bool:
        """Whether no output had a single finite number."""
        return len(self.without_numbers) == len(self.outputs) > 0


def check_export(
    source: Source,
    runtime: OrtRuntime,
    feeds: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    files: tuple[Path, ...],
) -> ExportReport:
    """Run the files one after the other and compare with the author's file, each in a plain session.

    Args:
        source: the author's file.
        runtime: makes the sessions.
        feeds: one array per input that is fed.
        values: inputs held constant, which the files have inside.
        files: the head if there is one, then the tail; each finds its inputs among `feeds` and earlier outputs.

    Raises:
        EngineError: a file that was just written cannot be loaded, or fails.
        BindingError: the feeds do not fit the model.
    """
    given = {**feeds, **values}
    reference = runtime.open(source.path).run(given)
    basic = runtime.open(source.path, level=Level.BASIC).run(given)
    known = dict(feeds)
    for file in files:
        try:
            session = runtime.open(file)
        except ModelError as error:
            raise EngineError(f"{file.name} was written and cannot be loaded: {error}") from error
        known |= session.run({name: known[name] for name in session.inputs})
        del session  # before the next one takes its memory
    tolerances = tolerances_of(reference, basic)
    outputs = [
        OutputCheck(name=name, found=difference(array, known[name]), tolerance=tolerances[name])
        for name, array in reference.items()
    ]
    unproved = tuple(item.name for item in outputs if item.tolerance.scale == 0 and is_inexact(reference[item.name]))
    return ExportReport(
        outputs=tuple(outputs),
        unproved=unproved,
        without_numbers=tuple(name for name in unproved if has_no_number(reference[name])),
    )
