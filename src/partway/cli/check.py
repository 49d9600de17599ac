"""`partway check`: does head then tail answer as the whole model does, at every cut?

Input: a model and feeds, random ones unless given. Output: the largest differences and the tolerance, and what codecs
make of it where some are named, as tables or JSON; the exit status says whether every cut passed.
"""

import argparse
import math

import numpy as np

from partway.cli.check_codecs import (
    CodecReport,
    add_codec_options,
    codec_rows,
    print_codecs,
    require_codec,
    try_codecs,
)
from partway.cli.opening import open_graph, open_subject
from partway.cli.options import add_json, add_model, count_or_none
from partway.engine import OrtRuntime
from partway.reporting import Column, follow, name_set, print_json, print_lines, print_table, share, shorten
from partway.verification import CheckReport, CutCheck, check_model

_EXAMPLES = """examples:
  partway check resnet50.onnx
  partway check detector.onnx --input page.npz
  partway check vad.onnx --shape input=1,576 --bind sr=16000 --sample 64
  partway check detector.onnx --input page.npz --codec zstd,int8 --max-error 1%

The reference is the file itself in a plain ONNX Runtime session. An output may
differ by 1e-4 of its scale (less for float64, more for the narrow types), by
1e-6, or by twice what ONNX Runtime's own optimisation levels differ by,
whichever is most; integers, booleans and strings must be equal.

Codecs are compared with the same cut without one. Their error is the largest
difference as a share of the output's scale; "top stays" says whether the
largest element along an output's last axis (a class, a character) stays so.
"""
_MOST_SHOWN = 5


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="is head then tail the model, at every cut?",
        description="Run head then tail at every single-tensor cut and at a sample of the\n"
        "others, and compare with the whole model. Exit status 1 when a cut is over\n"
        "tolerance, when no output has a finite number to compare, when a lossless\n"
        "codec changes an answer, or when a codec is over --max-error at every cut.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    parser.add_argument(
        "--sample",
        type=count_or_none,
        default=16,
        metavar="N",
        help="how many cuts of several tensors to try (default 16)",
    )
    add_codec_options(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the model and print what was found; 1 when a cut or a codec failed or nothing could be compared, else 0.

    Raises:
        InputError: the model or its inputs cannot be used.
        EngineError: the runtime fails on a piece.
    """
    require_codec(arguments)
    subject = open_subject(arguments)
    made_up = subject.given is None
    runtime = OrtRuntime(threads=arguments.threads)
    model = open_graph(subject, runtime, quiet=arguments.json)
    with follow("checking cuts", quiet=arguments.json) as progress:
        report = check_model(
            subject.source,
            model,
            runtime,
            subject.feeds(arguments.seed),
            sample=arguments.sample,
            generator=np.random.default_rng(arguments.seed),
            progress=progress,
        )
    codecs = None
    if arguments.codec is not None:
        codecs = try_codecs(
            model,
            runtime,
            arguments.codec,
            subject.feeds,
            made_up=made_up,
            seed=arguments.seed,
            max_error=arguments.max_error,
            quiet=arguments.json,
        )
    if arguments.json:
        print_json(_document(arguments.model, report, codecs))
    else:
        _print(arguments.model, report, made_up=made_up)
        if codecs is not None:
            print_codecs(codecs, made_up=made_up)
    return 0 if _passed(report, codecs) else 1


def _passed(report: CheckReport, codecs: CodecReport | None) -> bool:
    return report.passed and (codecs is None or codecs.passed)


def _print(path: str, report: CheckReport, *, made_up: bool) -> None:
    worst = sorted(report.checks, key=lambda check: (check.passed, -check.worst.relative))[:_MOST_SHOWN]
    print_table(
        f"Largest differences of {len(report.checks)} runs",
        (
            Column(title="cut", right=False, shrinks=True),
            Column(title="pieces", right=False, shrinks=True),
            Column(title="absolute"),
            Column(title="of the scale"),
            Column(title="", right=False),
        ),
        (
            (
                name_set(check.crossing, none="(device alone)"),
                _pieces(check),
                _number(check.worst.absolute),
                _number(check.worst.relative),
                "ok" if check.passed else "OVER",
            )
            for check in worst
        ),
    )
    print_table(
        "Tolerance of each output",
        (
            Column(title="output", right=False, shrinks=True),
            Column(title="type", right=False),
            Column(title="may differ by"),
            Column(title="scale"),
            Column(title="runtime's own spread"),
        ),
        (
            (
                shorten(name),
                tolerance.dtype,
                _number(tolerance.absolute) if tolerance.absolute else "nothing",
                _number(tolerance.scale),
                _number(tolerance.spread),
            )
            for name, tolerance in report.tolerances.items()
        ),
    )
    failed = sum(1 for check in report.checks if not check.passed)
    if report.passed:
        verdict = "passed: every cut is within tolerance"
    elif failed:
        verdict = f"FAILED: {failed} runs are over tolerance"
    else:
        verdict = "FAILED: no output has a finite number, so nothing is proved"
    cuttable = f"{report.cuttable_nodes} of {report.nodes} layers ({share(report.cuttable_nodes, report.nodes)})"
    print_lines(
        (
            ("model", path),
            ("inputs", "random" if made_up else "given"),
            ("cuts", f"{report.cuts_checked} tried; one tensor is enough after {cuttable}"),
            ("result", verdict),
        )
    )
    for name in report.unproved:
        content = "NaN or infinity" if name in report.without_numbers else "zeros, or empty,"
        print(
            f"note: output {name} is nothing but {content} on this input, which proves nothing: "
            "give real inputs with --input"
        )


def _document(path: str, report: CheckReport, codecs: CodecReport | None) -> dict[str, object]:
    document: dict[str, object] = {
        "model": path,
        "cuts_checked": report.cuts_checked,
        # Each the largest of all checks: a cut may be off most in one way and not in the other.
        "worst_absolute_error": max(check.worst.absolute for check in report.checks),
        "worst_relative_error": max(check.worst.relative for check in report.checks),
        "tolerance": {
            name: {
                "dtype": tolerance.dtype,
                "absolute": tolerance.absolute,
                "scale": tolerance.scale,
                "spread": tolerance.spread,
            }
            for name, tolerance in report.tolerances.items()
        },
        "passed": _passed(report, codecs),
        "unproved": report.unproved,
        "nodes": report.nodes,
        "cuttable_nodes": report.cuttable_nodes,
        "cuts": [
            {
                "crossing": check.crossing,
                "optimised": check.optimised,
                "absolute_error": check.worst.absolute,
                "relative_error": check.worst.relative,
                "passed": check.passed,
            }
            for check in report.checks
        ],
    }
    if codecs is not None:
        document["codecs"] = codec_rows(codecs)
    return document


def _pieces(check: CutCheck) -> str:
    return "optimised for this machine" if check.optimised else "as first served"


def _number(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not equal"
