"""Options that several verbs share, and the text they take.

Input: what people type. Output: shapes, values, counts and factors, or one sentence on what was wrong with it.
Called by the verbs' `add_parser` functions.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from partway.errors import InputError

T = TypeVar("T")


class Shape(NamedTuple):
    """What `--shape` says of one input."""

    name: str
    lengths: tuple[int, ...]


class Value(NamedTuple):
    """What `--bind` says of one input."""

    name: str
    value: np.ndarray


def as_argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse` for `add_argument(type=...)`, which would otherwise hide the message of an `InputError`."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def parse_shape(text: str) -> Shape:
    """The shape in `name=1,3,224,224`; `name=` is a scalar's.

    Raises:
        InputError: no name, or lengths that are not whole numbers of at least 0.
    """
    name, separator, lengths = text.rpartition("=")
    words = [word.strip() for word in lengths.split(",")] if lengths.strip() else []
    if not separator or not name or not all(word.isascii() and word.isdigit() for word in words):
        raise InputError(f"{text!r} is no shape; write input=lengths, for instance image=1,3,224,224")
    return Shape(name, tuple(int(word) for word in words))


def parse_value(text: str) -> Value:
    """The value in `name=16000` or `name=[1,2]`.

    Raises:
        InputError: no name, or nothing that reads as a number or an even list of numbers.
    """
    name, separator, content = text.rpartition("=")
    complaint = f"{text!r} binds no value; write input=number or a JSON list, for instance sr=16000 or scales=[1,2]"
    if not separator or not name:
        raise InputError(complaint)
    try:
        value = np.asarray(json.loads(content))
    except (ValueError, RecursionError, OverflowError) as error:
        raise InputError(complaint) from error
    if value.dtype.kind not in "biuf":
        raise InputError(complaint)
    return Value(name, value)


def parse_count(text: str, least: int = 1) -> int:
    """A whole number of at least `least`.

    Raises:
        InputError: it is none.
    """
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise InputError(f"{text!r} is no count; write a whole number of at least {least}")
    return int(text)


def parse_factor(text: str) -> float:
    """How many times slower: a number of at least 1.

    Raises:
        InputError: it is none.
    """
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 1.0 <= factor < math.inf:
        raise InputError(f"{text!r} is no slowdown; write how many times slower, 1 or more, for instance 8")
    return factor


def only_once(what: str, pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The pairs of a repeatable option as a mapping.

    Args:
        what: the option.
        pairs: names and what was said of them.

    Raises:
        InputError: a name comes twice.
    """
    found: dict[str, T] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"{what} gives {name!r} twice; give it once")
        found[name] = value
    return found


count = as_argument(parse_count)
"""`type=` of options that take 1, 2, 3 ..."""

count_or_none = as_argument(lambda text: parse_count(text, least=0))
"""`type=` of options that take 0, 1, 2 ..."""

factor = as_argument(parse_factor)
"""`type=` of options that take a slowdown."""


MODEL_HELP = "an ONNX file, its external data beside it, or the name of a network (`partway inspect --list`)"
"""What may be given for MODEL."""


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add MODEL and what it takes to open it: shapes, bound values, threads.

    Args:
        parser: of the verb.
        required: whether MODEL must be there; it is None where it is not.
    """
    parser.add_argument("model", metavar="MODEL", nargs=None if required else "?", help=MODEL_HELP)
    add_inputs(parser).add_argument(
        "--input",
        metavar="FILE",
        help="real inputs: an .npz with an array for each, or an .npy where there is one; random ones by default",
    )
    add_threads(parser)


def add_inputs(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Add what binds a model's inputs, and the seed of those that are made up; the group takes more of them."""
    group = parser.add_argument_group("the model's inputs")
    group.add_argument(
        "--shape",
        action="append",
        default=[],
        type=as_argument(parse_shape),
        metavar="NAME=N,N,...",
        help="the shape of an input whose file leaves dimensions open (repeatable); an open first one is 1 by default",
    )
    group.add_argument(
        "--bind",
        action="append",
        default=[],
        type=as_argument(parse_value),
        metavar="NAME=VALUE",
        help="hold an input constant: a number or a JSON list, for instance sr=16000 (repeatable)",
    )
    group.add_argument("--seed", type=count_or_none, default=0, metavar="N", help="of whatever is random (default 0)")
    return group


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`."""
    parser.add_argument("--threads", type=count, metavar="N", help="threads within an operator (default: every core)")


def add_guidance(parser: argparse.ArgumentParser) -> None:
    """Add what a session goes by: a profile of the device, a plan, how slow a device to emulate; and its trace."""
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="what `partway profile` says of this device: costs are then predicted, and few are timed",
    )
    parser.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="keep to a plan of `partway plan -o`: its cuts, codecs, objective and constraints",
    )
    parser.add_argument(
        "--device-slowdown", type=factor, default=1.0, metavar="N", help="emulate a device so many times slower"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="add a line (JSON) for each request: what was known, chosen, and got"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
