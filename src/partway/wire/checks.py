"""What is asked of a message in either form, protobuf or JSON.

In: what a decoder found. Out: nothing, or a `WireError` that says what is wrong. Called by `messages`,
`fields` and `rest`, and by the REST face for what it has not read yet.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

from partway.errors import MessageTooLong, WireError
from partway.wire.parameters import CRC32
from partway.wire.records import Limits, Parameter

# Triton's extensions that would change the answer if they were ignored.
_UNSUPPORTED = ("classification", "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size")


def check_message_bytes(size_bytes: int, limits: Limits) -> None:
    """Refuses a message that is too long as a whole.

    Raises:
        MessageTooLong: it has more than `limits.message_bytes`.
    """
    if size_bytes > limits.message_bytes:
        raise MessageTooLong(
            f"the message has {size_bytes} bytes; at most {limits.message_bytes} are accepted: "
            "send less, or raise the limit"
        )


def check_typed_bytes(size_bytes: int, limits: Limits) -> None:
    """Refuses a message whose slow part is too long: what is no raw tensor.

    Raises:
        WireError: it has more than `limits.typed_bytes`.
    """
    if size_bytes > limits.typed_bytes:
        raise WireError(
            f"all but the raw tensors takes more than {limits.typed_bytes} bytes; "
            "send tensors as raw contents, over REST as binary data"
        )


def check_crc32(name: str, payload: bytes | memoryview, expected: Parameter | None) -> None:
    """Refuses a tensor whose bytes are not those that its checksum was made of.

    Args:
        name: the tensor's, for the errors.
        payload: its bytes as they travel.
        expected: the parameter `CRC32`; None where the tensor carries none.

    Raises:
        WireError: another checksum, or none that can be.
    """
    if expected is None:
        return
    if not isinstance(expected, int) or isinstance(expected, bool):
        raise WireError(f"tensor {name!r} has a {CRC32!r} that is no integer; send its CRC-32, or none")
    found = zlib.crc32(payload)
    if found != expected:
        raise WireError(
            f"tensor {name!r} arrived damaged: its CRC-32 is {found} and {expected} was sent with it; send it again"
        )


def check_unique(what: str, names: Sequence[str]) -> None:
    """Refuses names that occur twice.

    Args:
        what: is named, for the error.
        names: all of them.

    Raises:
        WireError: one occurs more than once.
    """
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise WireError(f"{what} {twice[0]!r} is named more than once; name each once")


def check_supported(name: str, parameters: Iterable[str]) -> None:
    """Refuses what a tensor asks for and nobody here does.

    Args:
        name: the tensor's, for the error.
        parameters: names of its parameters.

    Raises:
        WireError: one of them would change the answer.
    """
    for parameter in parameters:
        if parameter in _UNSUPPORTED:
            raise WireError(f"tensor {name!r} asks for {parameter!r}, which is not offered; send plain tensors")
