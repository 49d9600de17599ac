from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.strategies import law, names

from partway import wire
from partway.errors import WireError
from partway.wire import ModelMetadata, ModelQuery, ServerMetadata, ServerQuery, TensorMetadata
from partway.wire.descriptors import message_class

tensor_lists = st.lists(
    st.builds(
        TensorMetadata,
        name=names,
        datatype=names,
        shape=st.lists(st.integers(-1, 2**63 - 1), max_size=4).map(tuple),
    ),
    max_size=3,
).map(tuple)


@law
@given(
    st.builds(
        ModelMetadata,
        name=names,
        versions=st.lists(names, max_size=2).map(tuple),
        platform=names,
        inputs=tensor_lists,
        outputs=tensor_lists,
    )
)
def test_decoded_model_metadata_is_what_was_encoded(metadata: ModelMetadata) -> None:
    assert wire.decode_model_metadata(wire.encode_model_metadata(metadata)) == metadata


@law
@given(st.builds(ServerMetadata, name=names, version=names, extensions=st.lists(names, max_size=3).map(tuple)))
def test_decoded_server_metadata_is_what_was_encoded(metadata: ServerMetadata) -> None:
    assert wire.decode_server_metadata(wire.encode_server_metadata(metadata)) == metadata


@law
@given(st.builds(ModelQuery, name=names, version=names))
def test_a_decoded_model_query_is_the_encoded_one(query: ModelQuery) -> None:
    assert wire.decode_model_query(wire.encode_model_query(query)) == query


@pytest.mark.parametrize("flag", [True, False])
def test_decoded_flags_are_the_encoded_ones(flag: bool) -> None:
    assert wire.decode_live(wire.encode_live(flag)) is flag
    assert wire.decode_ready(wire.encode_ready(flag)) is flag


def test_a_server_query_is_empty_and_decodes_to_a_record() -> None:
    assert wire.encode_server_query(ServerQuery()) == b""
    assert wire.decode_server_query(b"") == ServerQuery()


@pytest.mark.parametrize(
    ("message", "decode"),
    [
        ("ServerLiveResponse", wire.decode_live),
        ("ServerReadyResponse", wire.decode_ready),
        ("ModelReadyResponse", wire.decode_ready),
    ],
)
def test_each_flag_of_the_protocol_is_read(message: str, decode: Callable[[bytes], bool]) -> None:
    field = message_class(message).DESCRIPTOR.fields[0].name
    assert decode(message_class(message)(**{field: True}).SerializeToString())


@pytest.mark.parametrize("message", ["ModelReadyRequest", "ModelMetadataRequest"])
def test_each_model_query_of_the_protocol_is_read(message: str) -> None:
    data = message_class(message)(name="m", version="2").SerializeToString()
    assert wire.decode_model_query(data) == ModelQuery(name="m", version="2")


@law
@given(st.binary(max_size=40))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    decoders: tuple[Callable[[bytes], object], ...] = (
        wire.decode_live,
        wire.decode_ready,
        wire.decode_server_query,
        wire.decode_model_query,
        wire.decode_server_metadata,
        wire.decode_model_metadata,
    )
    for decode in decoders:
        try:
            decode(data)
        except WireError:
            continue


def test_text_that_is_no_unicode_cannot_be_sent() -> None:
    with pytest.raises(WireError, match="does not fit"):
        wire.encode_model_query(ModelQuery(name="\ud800"))


def test_lengths_beyond_64_bits_cannot_be_sent() -> None:
    tensor = TensorMetadata(name="x", datatype="FP32", shape=(2**63,))
    with pytest.raises(WireError, match="does not fit"):
        wire.encode_model_metadata(ModelMetadata(name="m", inputs=(tensor,)))
