"""The codecs' part of `partway check`: what each makes of what cuts send, and whether the answer stays.

Input: a model, names of codecs, sample inputs, perhaps an error to accept. Output: trials and checks of the
candidate cuts, as a table or for JSON, and whether they are good enough. Called by `partway check`.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.cli.options import as_argument
from partway.codecs import known_codecs, parse_codecs
from partway.engine import OrtRuntime, PieceStore
from partway.errors import InputError
from partway.graph import Model, candidate_cuts
from partway.reporting import Column, follow, name_set, print_lines, print_table, share
from partway.units import format_duration, format_size, parse_share
from partway.verification import (
    CodecTrial,
    CodedCheck,
    check_codecs,
    crossing_arrays,
    cut_trials,
    measure_codecs,
)

_RANDOM_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecReport:
    """What was found at the candidate cuts.

    Attributes:
        trials: for each cut in turn, one per codec.
        checks: of whole answers, in the same order.
        max_error: the share of an output's scale that the user accepts; None where nothing was said.
    """

    trials: tuple[CodecTrial, ...]
    checks: tuple[CodedCheck, ...]
    max_error: float | None

    def within(self, check: CodedCheck) -> bool | None:
        """Whether a check is within the accepted error; None where none was given."""
        return None if self.max_error is None else check.error <= self.max_error

    @property
    def hopeless(self) -> tuple[str, ...]:
        """Codecs that are over the accepted error at every cut."""
        if self.max_error is None:
            return ()
        useful = {check.codec for check in self.checks if self.within(check)}
        return tuple(dict.fromkeys(check.codec for check in self.checks if check.codec not in useful))

    @property
    def passed(self) -> bool:
        """Whether lossless codecs kept every bit, and every codec is of use somewhere."""
        return not self.hopeless and not any(check.broken for check in self.checks)


def add_codec_options(parser: argparse.ArgumentParser) -> None:
    """Add `--codec` and `--max-error`."""
    group = parser.add_argument_group("codecs of what crosses")
    group.add_argument(
        "--codec",
        type=as_argument(parse_codecs),
        metavar="CODEC[,...]",
        help="also try these at the candidate cuts: size, seconds, and how far the answers are from those without; "
        f"lossless, or any of {', '.join(known_codecs())}. A lossless one must keep every bit",
    )
    group.add_argument(
        "--max-error",
        type=as_argument(parse_share),
        metavar="SHARE",
        help="the error that you accept, as a share of an output's scale, for instance 1%%; says which codecs are "
        "within it at which cuts, and exits with 1 when one of them is within it at none",
    )


def require_codec(arguments: argparse.Namespace) -> None:
    """Refuse an accepted error without anything that could err.

    Raises:
        InputError: `--max-error` came without `--codec`.
    """
    if arguments.max_error is not None and arguments.codec is None:
        raise InputError("--max-error was given without --codec; name the codecs to hold to it, for instance int8")


def try_codecs(
    model: Model,
    runtime: OrtRuntime,
    codecs: Sequence[str],
    feeds: Callable[[int], Mapping[str, np.ndarray]],
    *,
    made_up: bool,
    seed: int,
    max_error: float | None,
    quiet: bool,
) -> CodecReport:
    """Try codecs at the candidate cuts, as these are served once they are optimised for this machine.

    Args:
        model: the canonical graph.
        runtime: runs its pieces.
        codecs: names.
        feeds: inputs for a seed.
        made_up: whether they differ by seed; then several are tried.
        seed: of the first.
        max_error: what the user accepts; None where nothing was said.
        quiet: whether to show no progress.

    Raises:
        EngineError: the runtime fails on a piece.
    """
    samples = [feeds(seed + index) for index in range(_RANDOM_SAMPLES if made_up else 1)]
    cuts = candidate_cuts(model)
    store = PieceStore(model, runtime)
    store.want_candidates()
    store.promote()
    with follow("checking codecs", quiet=quiet) as progress:
        checks = check_codecs(store, cuts, codecs, samples, progress=progress)
    tensors = measure_codecs(crossing_arrays(store, cuts, samples[0]), codecs)
    return CodecReport(trials=cut_trials(cuts, tensors, checks), checks=checks, max_error=max_error)


def print_codecs(report: CodecReport, *, made_up: bool) -> None:
    """Print the table, the verdict, and what to think of it."""
    print_table(
        "Codecs at the candidate cuts",
        (
            Column(title="cut", right=False, shrinks=True),
            Column(title="codec", right=False),
            Column(title="raw"),
            Column(title="coded"),
            Column(title="of raw"),
            Column(title="encode"),
            Column(title="decode"),
            Column(title="error"),
            Column(title="top stays", right=False),
            Column(title="", right=False),
        ),
        (_row(report, trial, check) for trial, check in zip(report.trials, report.checks, strict=True)),
    )
    print_lines((("codecs", _verdict(report)),))
    unsteady = dict.fromkeys(check.crossing for check in report.checks if check.lossless and not check.deterministic)
    for crossing in unsteady:
        print(
            f"note: the runtime does not repeat itself to the bit at {name_set(crossing, none='no tensor')}, "
            "so nothing is said of lossless codecs there"
        )
    if made_up:
        print(
            "note: these sizes and errors are those of random inputs, which real ones resemble little: "
            "give real ones with --input"
        )


def codec_rows(report: CodecReport) -> tuple[dict[str, object], ...]:
    """The rows for JSON."""
    return tuple(
        {
            "crossing": trial.crossing,
            "codec": trial.codec,
            "lossless": check.lossless,
            "raw_bytes": trial.raw_bytes,
            "coded_bytes": trial.coded_bytes,
            "encode_s": trial.encode_s,
            "decode_s": trial.decode_s,
            "error": check.error,
            "bit_equal": check.bit_equal,
            "deterministic": check.deterministic,
            "same_top": check.same_top,
            "within": report.within(check),
        }
        for trial, check in zip(report.trials, report.checks, strict=True)
    )


def _row(report: CodecReport, trial: CodecTrial, check: CodedCheck) -> tuple[str, ...]:
    return (
        name_set(trial.crossing, none="(nothing)"),
        trial.codec,
        format_size(trial.raw_bytes),
        format_size(trial.coded_bytes),
        share(trial.coded_bytes, trial.raw_bytes),
        format_duration(trial.encode_s),
        format_duration(trial.decode_s),
        _error(check),
        {True: "yes", False: "no", None: "-"}[check.same_top],
        _mark(report, check),
    )


def _error(check: CodedCheck) -> str:
    if check.bit_equal:
        return "none"
    return f"{100 * check.error:.2g} %" if math.isfinite(check.error) else "not equal"


def _mark(report: CodecReport, check: CodedCheck) -> str:
    if check.broken:
        return "NOT LOSSLESS"
    return {True: "within", False: "over", None: ""}[report.within(check)]


def _verdict(report: CodecReport) -> str:
    if any(check.broken for check in report.checks):
        return "FAILED: a lossless codec changed an answer"
    if report.max_error is None:
        return "tried; say with --max-error which error you accept"
    budget = f"{100 * report.max_error:.3g} %"
    if report.hopeless:
        return f"FAILED: {', '.join(report.hopeless)} over {budget} at every cut"
    within = sum(1 for check in report.checks if report.within(check))
    return f"passed: {within} of {len(report.checks)} pairs of cut and codec are within {budget}"
