"""OIP parameters: Partway's own names, and the way between protobuf's map and a plain one.

Called by `messages` for every message and tensor; the names by the client and the server.
"""

from collections.abc import Mapping, MutableMapping

from google.protobuf.message import Message

from partway.errors import WireError
from partway.wire.records import Parameter

DIGEST = "partway.digest"
"""Request: digest of the source model, as `graph` writes it."""
BINDING = "partway.binding"
"""Request: the binding, as `graph` writes it."""
MODEL = "partway.model"
"""Cost query: name of the model whose tails are asked about."""
CRC32 = "partway.crc32"
"""Tensor: CRC-32 of its raw bytes, as they travel."""
CODEC = "partway.codec"
"""Tensor: the codec that it is packed with. Its datatype and shape are then those of what travels, and the codec's own
parameters lie beside this one. Absent from tensors that travel as they are."""
RAW = "raw"
"""The codec that does nothing, which every server decodes."""
CODECS = "partway.codecs"
"""Cost answer: the codecs that the server can decode, between commas; absent where it decodes none. Also the name of
the extension in the server's metadata."""

TIMEOUT = "timeout"
"""Request: microseconds after which nobody waits for the answer. Source: Triton's parameters extension."""

QUEUE_WITHIN = "partway.queue_within_us"
"""Request: microseconds that it may wait for its turn. Where it would wait longer, the server answers at once, with no
tensors and `TURNED_AWAY`: whoever asks so has a use for the time."""
TURNED_AWAY = "partway.turned_away"
"""Answer: true where the queue was longer than the request said that it may be, so that nothing was computed."""

STATE_HEADER = "partway-state"
"""Trailer or header of a refusal that is no failure: `loading` where the same server will answer soon, `draining` where
it will not."""

LOAD_QUEUE_DELAY_US = "load.queue_delay_us"
"""Response: what a request that arrives now would wait, in microseconds."""
LOAD_SLOWDOWN_PERMILLE = "load.slowdown_permille"
"""Response: how many times longer than unloaded a tail takes now, in thousandths."""
LOAD_SERVICE_US = "load.service_us"
"""Response: what this request took once its turn came, in microseconds."""
LOAD_QUEUE_US = "load.queue_us"
"""Response: what this request waited, in microseconds."""


def read_timeout_s(parameters: Mapping[str, Parameter]) -> float | None:
    """How long the client waits, in seconds; None where it does not say.

    Args:
        parameters: of the request as a whole.

    Raises:
        WireError: it is no whole number of microseconds above 0.
    """
    return _read_seconds(parameters, TIMEOUT, least_us=1)


def read_queue_within_s(parameters: Mapping[str, Parameter]) -> float | None:
    """How long a request may wait for its turn, in seconds; None where it does not say.

    Args:
        parameters: of the request as a whole.

    Raises:
        WireError: it is no whole number of microseconds, 0 or more.
    """
    return _read_seconds(parameters, QUEUE_WITHIN, least_us=0)


def _read_seconds(parameters: Mapping[str, Parameter], name: str, *, least_us: int) -> float | None:
    value_us = parameters.get(name)
    if value_us is None:
        return None
    if not isinstance(value_us, int) or isinstance(value_us, bool) or value_us < least_us:
        raise WireError(f"parameter {name!r} is {value_us!r}; expected microseconds, a whole number from {least_us} on")
    check_parameter(name, value_us)
    return value_us / 1e6


def check_parameter(name: str, value: Parameter) -> None:
    """Refuses integers that no OIP parameter holds.

    Raises:
        WireError: one beyond 64 bits.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise WireError(
            f"parameter {name!r} is an integer of {value.bit_length()} bits; those of at most 64 bits can be sent"
        )


def write_parameters(target: MutableMapping[str, Message], parameters: Mapping[str, Parameter]) -> None:
    """Fills protobuf's map.

    Args:
        target: a `map<string, InferParameter>`.
        parameters: by name; integers from -2^63 to 2^64-1.

    Raises:
        WireError: an integer beyond 64 bits.
    """
    for name, value in parameters.items():
        check_parameter(name, value)
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, float):
            target[name].double_param = value
        elif isinstance(value, str):
            target[name].string_param = value
        elif -(2**63) <= value < 2**63:
            target[name].int64_param = value
        else:
            target[name].uint64_param = value


def read_parameters(source: Mapping[str, Message]) -> dict[str, Parameter]:
    """The parameters by name.

    Args:
        source: a `map<string, InferParameter>`.

    Raises:
        WireError: one has no value.
    """
    parameters: dict[str, Parameter] = {}
    for name, value in source.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is None:
            raise WireError(f"parameter {name!r} has no value; expected a bool, an integer, a double or a string")
        parameters[name] = getattr(value, choice)
    return parameters
