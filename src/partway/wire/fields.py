"""The outermost layer of a protobuf message, read and written by hand.

Protobuf copies every bytes field at least twice on its way in and out, which costs more than the network
for activations of megabytes. The raw tensors are top-level bytes fields, so it is enough to step over the
top-level fields: the raw ones leave as views of the received buffer, the small rest goes to protobuf.
Called by `messages`.

Source: the protobuf encoding guide (tags, varints, wire types).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partway.errors import WireError
from partway.wire.checks import check_message_bytes, check_typed_bytes
from partway.wire.records import Limits

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_MAX_FIELD_NUMBER = 2**29 - 1
_MAX_MESSAGE_BYTES = 2**31 - 1
# No OIP message has more than seven fields; room for later ones, none for a million invented ones.
_MAX_FIELD_NUMBERS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitMessage:
    """A message taken apart.

    Attributes:
        rest: every other field, still protobuf.
        raw: the contents of the raw field, in order: views of the received bytes.
    """

    rest: bytes
    raw: tuple[memoryview, ...]


def split_message(data: bytes, raw_field: int, limits: Limits) -> SplitMessage:
    """Separates the raw tensors from the rest without copying them.

    Args:
        data: one whole message.
        raw_field: number of the top-level field that holds raw tensors.
        limits: what is accepted; counts are checked on the way.

    Raises:
        WireError: truncated, over a limit, or not protobuf at its top level.
    """
    check_message_bytes(len(data), limits)
    view, size_bytes = memoryview(data), len(data)
    raw: list[memoryview] = []
    rest: list[memoryview] = []
    seen: dict[int, int] = {}
    kept_from = position = 0  # fields that follow each other stay together
    while position < size_bytes:
        number, wire_type, start, end = _read_field(data, position)
        seen[number] = seen.get(number, 0) + 1
        if seen[number] > limits.tensors or len(seen) > _MAX_FIELD_NUMBERS:
            raise _too_many(seen, number, limits)
        if number == raw_field:
            if wire_type != _BYTES:
                raise WireError(f"raw tensors (field {number}) have wire type {wire_type}; expected {_BYTES} (bytes)")
            raw.append(view[start:end])
            rest.append(view[kept_from:position])
            kept_from = end
        position = end
    rest.append(view[kept_from:])
    check_typed_bytes(sum(map(len, rest)), limits)
    return SplitMessage(rest=b"".join(rest) if raw else data, raw=tuple(raw))


def join_message(rest: bytes, raw_field: int, payloads: Sequence[bytes | memoryview]) -> bytes:
    """A message from its serialised rest and its raw tensors, each of which is copied once.

    Args:
        rest: every other field, as protobuf wrote them.
        raw_field: number of the top-level field that holds raw tensors.
        payloads: their contents, contiguous bytes.

    Raises:
        WireError: longer than protobuf and gRPC allow (2 GiB).
    """
    tag = _encode_varint(raw_field << 3 | _BYTES)
    parts: list[bytes | memoryview] = [rest]
    for payload in payloads:
        parts += (tag + _encode_varint(len(payload)), payload)
    size_bytes = sum(map(len, parts))
    if size_bytes > _MAX_MESSAGE_BYTES:
        raise WireError(
            f"the message would have {size_bytes} bytes; protobuf carries at most {_MAX_MESSAGE_BYTES}: "
            "send a smaller batch"
        )
    return b"".join(parts)


def _too_many(seen: Mapping[int, int], number: int, limits: Limits) -> WireError:
    if seen[number] > limits.tensors:
        return WireError(f"field {number} occurs more than {limits.tensors} times; send fewer tensors or parameters")
    return WireError(f"more than {_MAX_FIELD_NUMBERS} different fields found; that is no inference message")


def _read_field(data: bytes, position: int) -> tuple[int, int, int, int]:
    """Field number, wire type, and where the field's value begins and ends."""
    if position + 2 <= len(data):
        tag, length = data[position], data[position + 1]
        end = position + 2 + length
        # Nearly all are: names, parameters, what is declared of a tensor.
        if 8 <= tag < 0x80 and tag & 7 == _BYTES and length < 0x80 and end <= len(data):
            return tag >> 3, _BYTES, position + 2, end
    number, wire_type, after = _read_tag(data, position)
    return number, wire_type, *_field_extent(data, after, number, wire_type)


def _read_tag(data: bytes, position: int) -> tuple[int, int, int]:
    """Field number, wire type, and where the field's value or length begins."""
    tag, after = _read_varint(data, position)
    number, wire_type = tag >> 3, tag & 7
    if not 1 <= number <= _MAX_FIELD_NUMBER:
        raise WireError(f"field number {number} at byte {position}; expected 1 to {_MAX_FIELD_NUMBER}")
    return number, wire_type, after


def _field_extent(data: bytes, position: int, number: int, wire_type: int) -> tuple[int, int]:
    """Where the field's value begins and ends."""
    start = position
    if wire_type == _VARINT:
        end = _read_varint(data, position)[1]
    elif wire_type == _FIXED64:
        end = position + 8
    elif wire_type == _FIXED32:
        end = position + 4
    elif wire_type == _BYTES:
        length, start = _read_varint(data, position)
        end = start + length
    else:
        raise WireError(f"field {number} has wire type {wire_type}; expected 0, 1, 2 or 5")
    if end > len(data):
        raise WireError(
            f"field {number} ends at byte {end} and the message at {len(data)}; it was truncated: send it again"
        )
    return start, end


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The varint at `position`, and where it ends."""
    if position < len(data) and data[position] < 0x80:
        return data[position], position + 1  # nearly all tags and lengths are
    value = 0
    for index, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 2**64:
                raise WireError(f"the varint at byte {position} exceeds 64 bits; that is not protobuf")
            return value, position + index + 1
    if len(data) - position >= _MAX_VARINT_BYTES:
        raise WireError(f"the varint at byte {position} is longer than 10 bytes; that is not protobuf")
    raise WireError(f"the message ends at byte {len(data)} inside a varint; it was truncated: send it again")


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
