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


def write_parameters(target: MutableMapping[str, Message], parameters: Mapping[str, Parameter]) -> None:
    """Fills protobuf's map.

    Args:
        target: a `map<string, InferParameter>`.
        parameters: by name; integers from -2^63 to 2^64-1.

    Raises:
        WireError: an integer beyond 64 bits.
    """
    for name, value in parameters.items():
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, float):
            target[name].double_param = value
        elif isinstance(value, str):
            target[name].string_param = value
        elif -(2**63) <= value < 2**63:
            target[name].int64_param = value
        elif 2**63 <= value < 2**64:
            target[name].uint64_param = value
        else:
            raise WireError(f"parameter {name!r} is {value}; integers of at most 64 bits can be sent")


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
