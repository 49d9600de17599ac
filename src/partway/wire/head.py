"""What a request is about, read before its tensors are.

In: the bytes that gRPC received. Out: the names that stand in front, and how much is sent. Costs a walk over the
top-level fields, whatever they hold. Called by the server, so that a request that cannot be right is refused unread.
"""

from dataclasses import dataclass

from partway.errors import WireError
from partway.wire.descriptors import parse
from partway.wire.fields import split_message
from partway.wire.parameters import BINDING, read_parameters
from partway.wire.records import Limits

_REQUEST, _RAW_INPUTS = "ModelInferRequest", 7
_MOST_HEAD_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """What a request is about.

    Attributes:
        model_name: which model.
        model_version: empty for the server's choice.
        binding: the encoded one, where the request carries one that is text.
        raw_bytes: of its raw tensors together.
    """

    model_name: str
    model_version: str
    binding: str | None
    raw_bytes: int


def peek_request(data: bytes, limits: Limits) -> RequestHead | None:
    """The head of a request with raw tensors.

    Args:
        data: bytes of `ModelInferRequest`.
        limits: what is accepted of a message.

    Returns:
        None where no tensor is raw: typed ones cannot be told from what stands in front of them.

    Raises:
        WireError: not such a message, or over a limit.
    """
    split = split_message(data, _RAW_INPUTS, limits)
    if not split.raw:
        return None
    if len(split.rest) > _MOST_HEAD_BYTES:
        raise WireError(f"beside raw tensors stand {len(split.rest)} bytes; send at most {_MOST_HEAD_BYTES}")
    message = parse(_REQUEST, split.rest)
    binding = read_parameters(message.parameters).get(BINDING)
    return RequestHead(
        model_name=message.model_name,
        model_version=message.model_version,
        binding=binding if isinstance(binding, str) else None,
        raw_bytes=sum(map(len, split.raw)),
    )
