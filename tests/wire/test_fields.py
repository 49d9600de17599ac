import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.strategies import law

from partway.errors import WireError
from partway.wire import Limits
from partway.wire.fields import join_message, split_message


@law
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_split_gives_back_what_was_joined(payloads: list[bytes]) -> None:
    rest = b"\x0a\x01m"
    split = split_message(join_message(rest, 7, payloads), 7, Limits())
    assert split.rest == rest
    assert [bytes(raw) for raw in split.raw] == payloads


def test_fields_on_both_sides_of_the_raw_ones_are_kept_in_order() -> None:
    data = b"\x0a\x01m" + b"\x3a\x02xy" + b"\x12\x011" + b"\x3a\x00"
    split = split_message(data, 7, Limits())
    assert split.rest == b"\x0a\x01m\x12\x011"
    assert [bytes(raw) for raw in split.raw] == [b"xy", b""]


def test_unknown_fields_of_every_wire_type_are_stepped_over() -> None:
    data = b"\xc8\x01\x96\x01" + b"\xc9\x0112345678" + b"\xca\x01\x01z" + b"\xcd\x011234" + b"\x3a\x01x"
    split = split_message(data, 7, Limits())
    assert split.rest == data[:-3]
    assert bytes(split.raw[0]) == b"x"


def test_lengths_written_longer_than_needed_are_read() -> None:
    assert bytes(split_message(b"\x3a\x82\x80\x00xy", 7, Limits()).raw[0]) == b"xy"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x80", "ends at byte 1 inside a varint"),
        (b"\x08\x80\x80", "inside a varint"),
        (b"\x80" * 10 + b"\x01", "longer than 10 bytes"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "longer than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "exceeds 64 bits"),
        (b"\x3a\x05xy", "it was truncated"),
        (b"\x3a" + b"\xff" * 9 + b"\x01", "it was truncated"),
        (b"\x09\x01", "it was truncated"),
        (b"\x0d\x01", "it was truncated"),
        (b"\x00\x01", "field number 0"),
        (b"\x80\x80\x80\x80\x80\x01\x01", "field number"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
        (b"\x38\x01", "raw tensors \\(field 7\\) have wire type 0"),
    ],
)
def test_what_is_not_protobuf_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        split_message(data, 7, Limits())


def test_floods_of_fields_are_refused() -> None:
    with pytest.raises(WireError, match="field 7 occurs more than 1024 times"):
        split_message(b"\x3a\x00" * 1025, 7, Limits())
    many = b"".join(bytes([0x80 | (number << 3) & 0x78, number >> 4, 1]) for number in range(16, 60))
    with pytest.raises(WireError, match="more than 32 different fields"):
        split_message(many, 7, Limits())
