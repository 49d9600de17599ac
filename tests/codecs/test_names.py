import sys

import numpy as np
import pytest

from partway.codecs import (
    Coded,
    available_codecs,
    codec_named,
    decode_tensor,
    encode_tensor,
    is_lossless,
    known_codecs,
    parse_codecs,
)
from partway.errors import CodecError, InputError


@pytest.fixture
def no_zstandard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)


def test_every_name_leads_to_the_codec_of_that_name_and_raw_is_first() -> None:
    assert available_codecs() == known_codecs()
    assert available_codecs()[0] == "raw"
    assert [codec_named(name).name for name in known_codecs()] == list(known_codecs())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lossless", ("zstd",)),
        ("raw", ("raw",)),
        ("float16,int8/channel", ("float16", "int8/channel")),
        (" int8 , lossless,int8,zstd", ("int8", "zstd")),
    ],
)
def test_names_are_read_once_each_in_their_order(text: str, names: tuple[str, ...]) -> None:
    assert parse_codecs(text) == names


@pytest.mark.parametrize("text", ["", "int4", "int8,", "INT8", "zstd+int8"])
def test_unknown_names_are_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(InputError, match=r"is unknown; expected one of raw, zstd, .*lossless"):
        parse_codecs(text)


def test_lossless_is_what_every_codec_must_be() -> None:
    assert is_lossless(("raw", "zstd"))
    assert is_lossless(())
    assert not is_lossless(("zstd", "int8"))
    with pytest.raises(InputError, match="unknown"):
        is_lossless(("int8", "int4"))


@pytest.mark.usefixtures("no_zstandard")
def test_without_the_extra_the_rest_works_and_its_absence_names_it() -> None:
    assert available_codecs() == ("raw", "float16", "int8", "int8/channel")
    assert codec_named("int8").name == "int8"
    for name in ("zstd", "int8+zstd", "lossless"):
        with pytest.raises(InputError, match=r"pip install 'partway\[codec\]'"):
            parse_codecs(name)
    assert is_lossless(("zstd",))
    with pytest.raises(CodecError, match="cannot be decoded"):
        decode_tensor("zstd", Coded(array=np.zeros(4, np.uint8)), dtype=np.dtype("f4"), shape=(1,))


def test_a_tensor_travels_raw_where_its_codec_does_not_serve() -> None:
    smooth = np.zeros((1, 8, 64), np.float32)
    assert encode_tensor("zstd", smooth)[0] == "zstd"
    assert encode_tensor("int8", smooth)[0] == "int8"
    noise = np.random.default_rng(0).integers(0, 256, 4096, np.uint8)
    for name, array in (
        ("zstd", noise),
        ("int8", noise),
        ("zstd", np.zeros(0, np.float32)),
        ("zstd", np.array(["word"], object)),
        ("int8", np.full(64, np.nan, np.float32)),
        ("raw", smooth),
    ):
        used, coded = encode_tensor(name, array)
        assert used == "raw"
        assert coded.array is array
        assert not coded.parameters


@pytest.mark.parametrize("name", known_codecs())
def test_what_a_name_encodes_the_same_name_decodes(name: str) -> None:
    array = np.zeros((1, 8, 64), np.float32)
    used, coded = encode_tensor(name, array)
    assert used == name
    assert coded.size_bytes <= array.nbytes
    assert np.array_equal(decode_tensor(used, coded, dtype=array.dtype, shape=array.shape), array)


def test_a_name_from_the_wire_that_nobody_knows_is_a_codec_error() -> None:
    with pytest.raises(CodecError, match="unknown"):
        decode_tensor("x" * 10_000, Coded(array=np.zeros(1)), dtype=np.dtype("f8"), shape=(1,))
