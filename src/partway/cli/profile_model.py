"""`partway profile --model`: a few timings of one model, added to a profile; `--compare`: two profiles side by side.

Input: parsed arguments. Output: tables or JSON, and the profile with the calibration in it. Called by `profile`.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import msgspec

from partway.cli.foreign import foreign
from partway.cli.opening import open_subject
from partway.cli.writing import require_writable
from partway.documents import read_document, write_document
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.prediction.calibrating import TimedPiece, calibrate
from partway.prediction.compare import HEADINGS, compare_profiles, comparison_rows
from partway.prediction.profile import Profile, read_profile
from partway.prediction.trial import prepare
from partway.profiling.machine import read_machine
from partway.reporting import Column, follow, print_json, print_lines, print_table, waiting
from partway.units import format_duration

_TIMED_CUTS = 3  # heads that are timed beside the whole model: where in it a profile is off


def run_model(arguments: argparse.Namespace) -> int:
    """Time a model and put what follows into the profile; 0.

    Raises:
        InputError: the profile or the model cannot be used.
        EngineError: the runtime fails on the model.
    """
    require_writable(arguments.output)
    if not arguments.output.exists():
        raise InputError(
            f"there is no profile {arguments.output} yet; first make it: partway profile -o {arguments.output}"
        )
    profile = read_document(arguments.output, Profile)
    threads = profile.settle_threads(arguments.threads[0] if arguments.threads else None)
    runtime = OrtRuntime(threads=threads, providers=profile.providers)
    if (difference := foreign(profile, read_machine(), runtime)) is not None:
        raise InputError(f"{arguments.output} is not of this machine, so timings here say nothing of it: {difference}")
    subject = open_subject(arguments)
    with waiting(f"preparing {arguments.model}", quiet=arguments.json):
        trial = prepare(subject.source, subject.binding, profile.predictor(threads), runtime, cuts=_TIMED_CUTS)
    with follow("timing", quiet=arguments.json) as progress:
        calibration, pieces = calibrate(trial, runtime, progress=progress)
    key = (calibration.model, calibration.binding, calibration.threads)
    others = tuple(item for item in profile.calibrations if (item.model, item.binding, item.threads) != key)
    write_document(arguments.output, msgspec.structs.replace(profile, calibrations=(*others, calibration)))
    if arguments.json:
        print_json({"model": arguments.model, "profile": str(arguments.output), "pieces": [asdict(p) for p in pieces]})
        return 0
    print_table(
        f"{arguments.model}, timed",
        (
            Column(title="piece", right=False, shrinks=True),
            *(Column(title=title) for title in ("predicted", "measured", "corrected")),
        ),
        map(_row, pieces),
    )
    known = f"timings of {len(others) + 1} models" if others else "timings of this model"
    print_lines([("profile", f"{arguments.output}, which now knows {known}")])
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare two profiles; 0.

    Raises:
        InputError: a profile cannot be read, or the two have no setting of threads in common.
    """
    first, second = (read_profile(Path(path)) for path in arguments.compare)
    threads = arguments.threads[0] if arguments.threads else None
    comparison = compare_profiles(first, second, threads=threads)
    if arguments.json:
        print_json(
            {
                "first": arguments.compare[0],
                "second": arguments.compare[1],
                "ratio": comparison.ratio,
                "differences": [asdict(item) for item in comparison.differences],
                "variants": [{**asdict(item), "ratio": item.ratio} for item in comparison.variants],
                "only_first": list(comparison.only_first),
                "only_second": list(comparison.only_second),
            }
        )
        return 0
    print_table(
        "What differs",
        (
            Column(title="what", right=False),
            Column(title=arguments.compare[0], right=False, shrinks=True),
            Column(title=arguments.compare[1], right=False, shrinks=True),
        ),
        ((item.what, item.first, item.second) for item in comparison.differences),
    )
    left, *others = HEADINGS
    print_table(
        "Typical kernels",
        (Column(title=left, right=False, shrinks=True), *(Column(title=title) for title in others)),
        comparison_rows(comparison),
    )
    return 0


def _row(piece: TimedPiece) -> tuple[str, ...]:
    name = f"head to {', '.join(piece.crossing)}" if piece.crossing else "the whole model"
    return (name, *map(format_duration, (piece.predicted_s, piece.measured_s, piece.corrected_s)))
