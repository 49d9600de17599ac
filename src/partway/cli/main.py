"""`partway`: reads the command line, runs one verb, and turns what goes wrong into one line and a status.

    0  done      1  failed, or nobody read on      2  wrong usage or bad input      130, 143  interrupted, ended

Every verb is one module with `add_parser(subparsers)` and `run(arguments)`. All are imported here: most of the time
goes into the runtime and its graph libraries, which nearly every verb needs.
Tables and JSON go to stdout; logs, progress and errors to stderr.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from partway import __version__
from partway.cli import (
    bench,
    check,
    demo,
    doctor,
    evaluate,
    inspect,
    plan,
    profile,
    reproduce,
    run,
    serve,
    simulate,
    split,
)
from partway.cli.logs import FORMATTERS
from partway.errors import InputError, PartwayError
from partway.reporting import printable

logger = logging.getLogger(__name__)

_VERBS = (inspect, check, plan, run, serve, split, bench, profile, evaluate, simulate, reproduce, demo, doctor)
_FAILED, _WRONG_USAGE, _INTERRUPTED, _TERMINATED = 1, 2, 130, 143

_DESCRIPTION = """\
Run an ONNX model partway on the device and the rest on a server, cut
wherever that is fastest right now."""
_EPILOG = """first steps:
  partway demo                            all of it here, in two minutes
  partway inspect model.onnx              where can it be cut?
  partway inspect --list                  networks that need no file
  partway check model.onnx                is every cut's answer the model's?
  partway plan model.onnx --link lte      which cut is the fastest?
  partway serve models/                   on the server
  partway run model.onnx --server grpc://host:8001
  partway profile -o this.json            measure this machine
  partway evaluate this.json model.onnx   predicted against measured
  partway simulate scenario.toml          how many devices can a server bear?
  partway reproduce                       the paper's numbers beside ours

`partway VERB --help` explains a verb. Prepared models and kept costs lie in
$PARTWAY_CACHE (default ~/.cache/partway).
"""


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, as every other error is reported."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `partway`; those of the process by default.

    Returns:
        The exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks µ or … shows ? instead of failing
            stream.reconfigure(errors="replace")
    if argv is None:
        signal.signal(signal.SIGTERM, _end)
    try:
        arguments = _parser().parse_args(argv)
        with _logging(logging.INFO if arguments.verbose else arguments.log_level, arguments.log_format):
            status: int = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as end:  # argparse's own way out of --help and --version
        return end.code if isinstance(end.code, int) else _FAILED
    except InputError as error:
        return _complain(error, _WRONG_USAGE)
    except PartwayError as error:
        return _complain(error, _FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough; what is still buffered must not fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:  # noqa: BLE001 - people get one line even of our own mistakes; --verbose has the rest
        if "--verbose" in (sys.argv if argv is None else argv):
            traceback.print_exc()
        return _complain(f"{type(error).__name__}: {error}; this should not happen: --verbose shows where", _FAILED)
    return status


def _end(_number: int, _frame: FrameType | None) -> None:
    # An ordinary end, so that servers and folders made for the command go with it.
    sys.exit(_TERMINATED)


def _complain(error: Exception | str, status: int) -> int:
    message = printable(" ".join(str(error).split()))
    print(f"partway: {message}", file=sys.stderr)
    return status


def _parser() -> _Parser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="partway", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"partway {__version__}")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add_parser(subparsers)
    for verb_parser in subparsers.choices.values():
        verb_parser.formatter_class = formatter
        verb_parser.add_argument("--verbose", action="store_true", help="show logs (key=value) on stderr")
        if verb_parser.get_default("log_level") is None:
            verb_parser.set_defaults(log_level=logging.CRITICAL)
        if verb_parser.get_default("log_format") is None:
            verb_parser.set_defaults(log_format="text")
    return parser


@contextlib.contextmanager
def _logging(level: int, log_format: str) -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[log_format]())
    root = logging.getLogger("partway")
    before = root.level
    root.setLevel(level)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
