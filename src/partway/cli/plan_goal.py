"""What a plan is asked for: an objective, what must hold, and how crossing tensors may travel.

Input: options. Output: a `Goal`, and the codecs to try. Called by `partway plan`.
"""

import argparse

from partway.cli.options import as_argument
from partway.codecs import available_codecs, codec_named, is_lossless, parse_codecs
from partway.errors import InputError
from partway.planning import Constraints, Goal
from partway.planning.battery import read_charge
from partway.units import parse_duration, parse_energy, parse_share, parse_size

_OBJECTIVES = ("latency", "energy", "balanced", "throughput")


def add_goal(parser: argparse.ArgumentParser) -> None:
    """Add objective, constraints and codecs."""
    group = parser.add_argument_group("objective")
    group.add_argument(
        "--objective",
        choices=_OBJECTIVES,
        default="latency",
        help="what to make small: seconds (the default), the device's joules, both as the battery drains, or the "
        "slowest stage of a stream of inputs",
    )
    group.add_argument(
        "--battery",
        type=as_argument(parse_share),
        metavar="CHARGE",
        help="what is left in it, for --objective balanced, for instance 20%%; by default this machine's",
    )
    group.add_argument(
        "--seconds-per-joule",
        type=as_argument(_positive),
        metavar="N",
        help="what a joule is worth at half charge (default: as if the device ran alone in its own seconds and joules)",
    )
    _add_constraints(parser)
    _add_codecs(parser)


def _add_constraints(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what must hold")
    group.add_argument("--deadline", type=as_argument(parse_duration), metavar="TIME", help="answer within, as 80ms")
    group.add_argument(
        "--max-energy", type=as_argument(parse_energy), metavar="ENERGY", help="joules of the device, as 0.5J"
    )
    group.add_argument(
        "--device-memory", type=as_argument(_bytes), metavar="SIZE", help="what the head may take, as 64MB"
    )
    group.add_argument("--max-upload", type=as_argument(_bytes), metavar="SIZE", help="bytes of one request, as 50kB")
    group.add_argument(
        "--keep-on-device",
        action="append",
        default=[],
        metavar="NAME",
        help="'inputs': no input leaves, nor a moved or cast copy of one; an input: the same for it; a layer: it runs "
        "on the device, and nothing before it leaves (repeatable)",
    )
    group.add_argument(
        "--on-server",
        action="append",
        default=[],
        metavar="LAYER",
        help="run this layer on the server only, which rules the device alone out (repeatable)",
    )


def _add_codecs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how tensors travel")
    group.add_argument(
        "--codec",
        type=as_argument(parse_codecs),
        metavar="CODEC,...",
        help="what to try beside raw, on one run of the model here: lossless, float16, int8, int8/channel ...; by "
        "default lossless, unless --device and --server leave nothing to run; raw for none",
    )
    group.add_argument(
        "--max-error",
        type=as_argument(parse_share),
        metavar="SHARE",
        help="how far answers may be off under a lossy codec, of each output's scale, measured on the inputs, as 1%%",
    )


def goal_of(arguments: argparse.Namespace) -> Goal:
    """The goal that the options state.

    Raises:
        InputError: an option is out of range or of no use beside the others.
    """
    balanced = arguments.objective == "balanced"
    for option, value in (("--battery", arguments.battery), ("--seconds-per-joule", arguments.seconds_per_joule)):
        if value is not None and not balanced:
            raise InputError(f"{option} is for --objective balanced; add that, or leave {option} out")
    limits = (
        ("--deadline", arguments.deadline),
        ("--max-energy", arguments.max_energy),
        ("--device-memory", arguments.device_memory),
    )
    for option, most in limits:
        if most == 0:
            raise InputError(f"{option} is 0, which no cut keeps to; give something above 0, or leave {option} out")
    return Goal(
        objective=arguments.objective,
        constraints=Constraints(
            deadline_s=arguments.deadline,
            energy_budget_j=arguments.max_energy,
            device_memory_bytes=arguments.device_memory,
            max_up_bytes=arguments.max_upload,
            keep_on_device=tuple(arguments.keep_on_device),
            on_server=tuple(arguments.on_server),
            max_error=arguments.max_error,
        ),
        seconds_per_joule=arguments.seconds_per_joule,
    )


def charge_of(arguments: argparse.Namespace) -> float | None:
    """What is left in the battery; None where the objective does not ask.

    Raises:
        InputError: it asks, and neither the user nor this machine says; or the share is out of range.
    """
    if arguments.objective != "balanced":
        return None
    if arguments.battery is None:
        charge = read_charge()
        if charge is None:
            raise InputError("this machine shows no battery; say what is left in the device's, as --battery 20%")
        return charge
    if not 0.0 < arguments.battery <= 1.0:
        raise InputError(f"--battery is {arguments.battery:g}; expected above 0 and at most 100%, for instance 20%")
    return float(arguments.battery)


def codecs_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The codecs to try beside raw.

    Unless some are named, lossless ones are tried where the model runs here anyway, or real inputs are given.

    Raises:
        InputError: a lossy one without a budget for its error, a budget without one, or a missing extra.
    """
    if arguments.codec is None:
        if arguments.max_error is not None:
            raise InputError("--max-error is for lossy codecs; add for instance --codec int8")
        runs = not (arguments.device and arguments.server) or arguments.input is not None
        return tuple(name for name in available_codecs() if runs and name != "raw" and is_lossless((name,)))
    chosen = tuple(name for name in arguments.codec if name != "raw")
    for name in chosen:
        codec_named(name)
    if not is_lossless(chosen) and arguments.max_error is None:
        lossy = ", ".join(name for name in chosen if not is_lossless((name,)))
        raise InputError(f"{lossy} changes answers; say by how much they may be off, for instance --max-error 1%")
    if is_lossless(chosen) and arguments.max_error is not None:
        raise InputError("--max-error is for lossy codecs, and --codec names none; add for instance int8")
    return chosen


def _bytes(text: str) -> int:
    return int(parse_size(text))


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise InputError(f"{text!r} is no worth of a joule; write seconds above 0, for instance 0.2")
    return value
