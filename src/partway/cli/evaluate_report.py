"""What `partway evaluate` shows: models, shares, pieces, kinds of kernels.

Input: a `Report`. Output: tables, plain values for JSON, series of a plot. Called by `partway evaluate`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from partway.prediction.evaluation import Errors, KindSummary, Share, Summary
from partway.prediction.model_evaluation import STEADY, Figures, ModelEvaluation
from partway.profiling.machine import Machine
from partway.profiling.quiet import Noise
from partway.reporting import Column, name_set, print_lines, print_table, share, shorten
from partway.reporting.figures import Series
from partway.units import format_duration

_MOST_KINDS = 20
_UNKNOWN = "-"

_FIGURES = (
    Column(title="measured"),
    Column(title="again"),
    Column(title="predicted"),
    Column(title="stated"),
    Column(title="error"),
    Column(title="calibrated"),
)
_MODEL_COLUMNS = (Column(title="model", right=False, shrinks=True), *_FIGURES[:5])
_PIECE_COLUMNS = (
    Column(title="cut at", right=False, shrinks=True),
    Column(title="piece", right=False),
    *_FIGURES,
)
_ERROR_COLUMNS = (
    Column(title="", right=False),
    Column(title="of"),
    Column(title="median error"),
    Column(title="within 10 %"),
    Column(title="within 15 %"),
    Column(title="within 20 %"),
    Column(title="in 1 stated (68 %)"),
    Column(title="in 2 (95 %)"),
    Column(title="own repeat"),
)
_KIND_COLUMNS = (
    Column(title="kind", right=False),
    Column(title="models"),
    Column(title="kernels"),
    Column(title="share"),
    Column(title="median error"),
    Column(title="predicted / measured"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that there is to show.

    Attributes:
        profile: path of the profile.
        machine: that it is of.
        runtime: that it was measured with.
        threads: threads within an operator; None for the runtime's default.
        evaluations: one for each model.
        summary: of all of them.
        noises: what the checks for noise found, in order.
        notes: sentences on what the reader should know.
    """

    profile: str
    machine: Machine
    runtime: str
    threads: int | None
    evaluations: tuple[ModelEvaluation, ...]
    summary: Summary
    noises: tuple[Noise, ...]
    notes: tuple[str, ...]

    @property
    def threads_in_words(self) -> str:
        """For instance `1 thread`."""
        return "default threads" if self.threads is None else f"{self.threads} thread{'s' * (self.threads > 1)}"


def document(report: Report) -> dict[str, object]:
    """What `--json` prints."""
    summary = report.summary
    return {
        "profile": report.profile,
        "processor": report.machine.processor,
        "runtime": report.runtime,
        "threads": report.threads or 0,
        "notes": report.notes,
        "noise": [{**msgspec.to_builtins(noise), "quiet": noise.quiet} for noise in report.noises],
        "models": [_model_document(found) for found in report.evaluations],
        "within_10_percent": summary.models.within_10_percent.share,
        "within_20_percent": summary.models.within_20_percent.share,
        "whole": {
            "all": msgspec.to_builtins(summary.models),
            "steady": msgspec.to_builtins(summary.steady_models),
        },
        "pieces": {
            "median_error": summary.pieces.median_error,
            "calibrated_median_error": summary.calibrated_pieces.median_error,
            "all": msgspec.to_builtins(summary.pieces),
            "steady": msgspec.to_builtins(summary.steady_pieces),
            "calibrated": msgspec.to_builtins(summary.calibrated_pieces),
            "calibrated_steady": msgspec.to_builtins(summary.steady_calibrated_pieces),
        },
        "kinds": msgspec.to_builtins(summary.kinds),
    }


def print_report(report: Report, *, pieces: bool, plot: Path | None) -> None:
    """Print the tables.

    Args:
        report: what to print.
        pieces: whether to show every head and tail.
        plot: where the plot was drawn, if it was.
    """
    loud = sum(not noise.quiet for noise in report.noises)
    lines = [
        ("profile", f"{report.profile}: {report.machine.processor or report.machine.architecture}, {report.runtime}"),
        ("threads", report.threads_in_words),
        ("quiet", f"{len(report.noises) - loud} of {len(report.noises)} times that it was checked"),
    ]
    if plot is not None:
        lines.append(("plot", str(plot)))
    print_lines(lines)
    steady = [found for found in report.evaluations if found.whole.steady]
    unsteady = [found for found in report.evaluations if not found.whole.steady]
    print_table("Whole models", _MODEL_COLUMNS, map(_model_row, steady))
    print_table(
        f"Whole models that this machine itself did not repeat within {share(STEADY, 1.0)}",
        _MODEL_COLUMNS,
        map(_model_row, unsteady),
    )
    if pieces:
        for found in report.evaluations:
            print_table(f"Pieces of {found.model}", _PIECE_COLUMNS, _piece_rows(found))
    print_table("How near (95 % intervals in brackets)", _ERROR_COLUMNS, _error_rows(report.summary))
    shown = [kind for place, kind in enumerate(report.summary.kinds) if place < _MOST_KINDS or not kind.sampled]
    print_table("Kernels (* = never sampled: a roofline)", _KIND_COLUMNS, map(_kind_row, shown))


def plotted(report: Report) -> tuple[tuple[Series, ...], str]:
    """Series and title of the plot; every point is drawn once, at its first timing."""

    def points(found: Sequence[Figures]) -> tuple[tuple[float, float], ...]:
        return tuple((item.measured_s, item.predicted_s) for item in found)

    wholes = [found.whole for found in report.evaluations]
    pieces = [piece for found in report.evaluations for piece in found.pieces]
    series = (
        Series(name="whole models", points=points([item for item in wholes if item.steady])),
        Series(name="whole models that did not repeat", points=points([item for item in wholes if not item.steady])),
        Series(name="heads and tails", points=points([item for item in pieces if item.steady])),
        Series(name="heads and tails that did not repeat", points=points([item for item in pieces if not item.steady])),
    )
    return series, f"{report.machine.processor or report.machine.architecture}, {report.threads_in_words}"


def _model_document(found: ModelEvaluation) -> dict[str, object]:
    whole = found.whole
    return {
        "model": found.model,
        **{key: value for key, value in msgspec.to_builtins(whole).items() if not key.startswith("calibrated")},
        "repeat_error": whole.repeat_error,
        "steady": whole.steady,
        **{key: value for key, value in msgspec.to_builtins(found).items() if key not in ("model", "whole")},
    }


def _model_row(found: ModelEvaluation) -> tuple[str, ...]:
    return (shorten(found.model), *_figures(found.whole)[:5])


def _piece_rows(found: ModelEvaluation) -> Iterator[tuple[str, ...]]:
    for cut in found.cuts:
        for name, piece in (("head", cut.head), ("tail", cut.tail)):
            if piece is not None:
                yield (name_set(cut.crossing, none="nothing"), name, *_figures(piece))


def _figures(piece: Figures) -> tuple[str, ...]:
    return (
        format_duration(piece.measured_s),
        _change(piece.repeated_s, piece.measured_s),
        format_duration(piece.predicted_s),
        f"± {share(piece.spread, 1.0)}",
        _change(piece.predicted_s, piece.measured_s),
        _change(piece.calibrated_s, piece.repeated_s),
    )


def _error_rows(summary: Summary) -> Iterator[tuple[str, ...]]:
    rows: tuple[tuple[str, Errors], ...] = (
        ("whole models", summary.models),
        ("  that repeat", summary.steady_models),
        ("heads and tails", summary.pieces),
        ("  that repeat", summary.steady_pieces),
        ("  calibrated", summary.calibrated_pieces),
        ("  that repeat, calibrated", summary.steady_calibrated_pieces),
    )
    for name, errors in rows:
        if errors.count:
            yield (
                name,
                str(errors.count),
                _percent(errors.median_error),
                _share(errors.within_10_percent),
                _share(errors.within_15_percent),
                _share(errors.within_20_percent),
                _share(errors.within_one_spread),
                _share(errors.within_two_spreads),
                _percent(errors.median_repeat_error),
            )


def _kind_row(kind: KindSummary) -> tuple[str, ...]:
    return (
        kind.variant + ("" if kind.sampled else " *"),
        str(kind.models),
        str(kind.kernels),
        _percent(kind.share),
        _percent(kind.median_error),
        _UNKNOWN if kind.ratio is None else f"{kind.ratio:.2f}",
    )


def _share(found: Share) -> str:
    if found.share is None:
        return _UNKNOWN
    return f"{share(found.count, found.of)} ({100 * found.low:.0f}-{100 * found.high:.0f})"


def _percent(part: float | None) -> str:
    return _UNKNOWN if part is None else f"{100 * part:.1f} %"


def _change(seconds: float, reference_s: float) -> str:
    return f"{100 * (seconds / reference_s - 1):+.1f} %"
