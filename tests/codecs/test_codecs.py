"""The laws of every codec, and what each does with tensors and messages that are out of the ordinary."""

import base64
import struct
import threading
import tracemalloc
from collections.abc import Mapping

import ml_dtypes
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partway.codecs import Coded, ParameterValue, codec_named, known_codecs
from partway.errors import CodecError

PLAIN = tuple(
    np.dtype(kind)
    for kind in (
        "?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16
    )
)  # fmt: skip
FLOATS = tuple(map(np.dtype, ("f2", "f4", "f8")))
QUANTISING = ("int8", "int8/channel", "int8+zstd", "int8/channel+zstd")
LOSSY = ("float16", "float16+zstd", *QUANTISING)

law = settings(max_examples=200)

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6) | st.sampled_from([(2, 3, 8, 8), (1, 4, 80)])
numbers: st.SearchStrategy[ParameterValue] = st.one_of(
    st.floats(), st.integers(-(2**63), 2**64 - 1), st.booleans(), st.text(max_size=30)
)


@st.composite
def plain_arrays(draw: st.DrawFn) -> np.ndarray:
    """Any bits of any type: NaNs with payloads, negative zeros, subnormals; some of them strided or not writable."""
    dtype, shape = draw(st.sampled_from(PLAIN)), draw(shapes)
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = generator.integers(0, 2 if dtype == np.bool_ else 256, size_bytes, np.uint8)
    array: np.ndarray = raw.view(dtype).reshape(shape)
    if array.ndim and draw(st.booleans()):
        array = array.T[::2] if draw(st.booleans()) else array[..., ::-1]
    if draw(st.booleans()):
        array.flags.writeable = False
    return array


@st.composite
def finite_arrays(draw: st.DrawFn) -> np.ndarray:
    """Floats of any magnitude, shifted far from zero or not, some constant, some with zeros of a ReLU."""
    dtype, shape = draw(st.sampled_from(FLOATS)), draw(shapes)
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    limits = np.finfo(dtype)
    exponent = draw(st.floats(float(np.log10(limits.smallest_subnormal)), float(np.log10(limits.max)) - 1))
    array = generator.standard_normal(shape) * 10.0**exponent
    array += draw(st.sampled_from((0.0, 1.0, -1e3)))
    if draw(st.booleans()):
        array = np.maximum(array, 0)
    if draw(st.booleans()):
        array = np.full(shape, array.reshape(-1)[0] if array.size else 0.0)
    return np.asarray(np.clip(array, limits.min / 4, limits.max / 4).astype(dtype))


def step_bound(array: np.ndarray, axis: int | None) -> np.ndarray:
    """Half a step of the range of each slice, and what rounding in float32 (float64) may add."""
    if not array.size:
        return np.zeros(())
    wide = array.astype(np.float64)
    axes = None if axis is None else tuple(index for index in range(array.ndim) if index != axis)
    least, most = wide.min(axis=axes, keepdims=True), wide.max(axis=axes, keepdims=True)
    work = np.finfo(np.float64 if array.dtype == np.float64 else np.float32)
    steps = (most / 255 - least / 255) + float(work.smallest_subnormal)
    magnitude = np.maximum(np.abs(least), np.abs(most))
    rounding = 2 * magnitude * float(work.eps) + float(np.finfo(array.dtype).smallest_subnormal)
    if array.dtype == np.float16:
        rounding = rounding + magnitude * float(np.finfo(np.float16).eps) / 2
    bound: np.ndarray = steps * 0.5001 + rounding
    return bound


@pytest.mark.parametrize("name", ["raw", "zstd"])
@law
@given(array=plain_arrays())
def test_lossless_codecs_bring_every_bit_back(name: str, array: np.ndarray) -> None:
    codec = codec_named(name)
    assert codec.lossless
    assert codec.accepts(array.dtype)
    back = codec.decode(codec.encode(array), dtype=array.dtype, shape=array.shape)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", QUANTISING)
@law
@given(array=finite_arrays())
def test_quantised_elements_are_off_by_half_a_step_at_most(name: str, array: np.ndarray) -> None:
    codec = codec_named(name)
    coded = codec.encode(array)
    back = codec.decode(coded, dtype=array.dtype, shape=array.shape)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    per_channel = "partway.steps" in coded.parameters
    bound = step_bound(array, 1 if per_channel else None)
    assert (np.abs(back.astype(np.float64) - array.astype(np.float64)) <= bound).all()


@pytest.mark.parametrize("name", ["float16", "float16+zstd"])
@law
@given(array=st.sampled_from(FLOATS[1:]).flatmap(lambda dtype: hnp.arrays(dtype, shapes)))
def test_halves_are_the_nearest_saturate_and_keep_infinities(name: str, array: np.ndarray) -> None:
    codec = codec_named(name)
    back = codec.decode(codec.encode(array), dtype=array.dtype, shape=array.shape)
    assert back.dtype == array.dtype
    largest = float(np.finfo(np.float16).max)
    kept = ~np.isfinite(array)
    assert np.array_equal(back[kept], array[kept], equal_nan=True)
    clipped = np.clip(array[~kept].astype(np.float64), -largest, largest)
    assert (np.abs(back[~kept] - clipped) <= np.abs(clipped) * 2.0**-11 + 2.0**-25).all()


@pytest.mark.parametrize("name", [name for name in known_codecs() if name != "raw"])
@law
@given(
    dtype=st.sampled_from(FLOATS),
    shape=shapes,
    payload=hnp.arrays(
        st.sampled_from([np.dtype(kind) for kind in ("u1", "f2", "f4", "i8")]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=8),
    ),
    parameters=st.dictionaries(st.sampled_from(["partway.scale", "partway.offset", "partway.steps"]), numbers),
)
def test_nonsense_is_a_codec_error_or_a_tensor_of_the_right_kind(
    name: str,
    dtype: np.dtype,
    shape: tuple[int, ...],
    payload: np.ndarray,
    parameters: Mapping[str, ParameterValue],
) -> None:
    try:
        array = codec_named(name).decode(Coded(array=payload, parameters=parameters), dtype=dtype, shape=shape)
    except CodecError:
        return
    assert (array.dtype, array.shape) == (dtype, shape)


@pytest.mark.parametrize("name", ["zstd", "int8+zstd", "float16+zstd"])
@law
@given(data=st.data())
def test_a_damaged_frame_is_a_codec_error_or_a_tensor_of_the_right_kind(name: str, data: st.DataObject) -> None:
    codec, array = codec_named(name), np.linspace(-1, 1, 120, dtype=np.float32).reshape(2, 60)
    coded = codec.encode(array)
    frame = coded.array.copy()
    position = data.draw(st.integers(0, frame.size - 1))
    frame[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.sampled_from((frame, frame[:position], np.append(frame, frame[:position]))))
    try:
        back = codec.decode(Coded(array=cut, parameters=coded.parameters), dtype=array.dtype, shape=array.shape)
    except CodecError:
        return
    assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_a_frame_that_states_or_holds_more_than_the_tensor_allocates_nothing() -> None:
    bomb = np.frombuffer(zstandard.ZstdCompressor().compress(bytes(2**28)), np.uint8)
    streamed = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    unstated = np.frombuffer(streamed.compress(bytes(2**28)) + streamed.flush(), np.uint8)
    # A frame that states 64 bytes, with blocks of a repeated byte that make it 2^28 and more.
    start = zstandard.ZstdCompressor().compress(bytes(64))[:6]
    lying = np.frombuffer(start + b"\x02\x00\x10\x00" * 4096, np.uint8)
    for codec in map(codec_named, ("zstd", "int8+zstd", "float16+zstd")):
        for frame in (bomb, unstated, lying):
            coded = Coded(array=frame, parameters={"partway.scale": 1.0, "partway.offset": 0.0})
            tracemalloc.start()
            with pytest.raises(CodecError):
                codec.decode(coded, dtype=np.dtype("f4"), shape=(4, 4))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 2**20


def test_a_frame_with_something_after_it_is_refused() -> None:
    coded = codec_named("zstd").encode(np.ones(8, np.float32))
    with pytest.raises(CodecError):
        codec_named("zstd").decode(Coded(array=np.append(coded.array, coded.array)), dtype=np.dtype("f4"), shape=(8,))


def test_a_frame_to_be_skipped_is_no_tensor() -> None:
    skippable = np.frombuffer(struct.pack("<II", 0x184D2A50, 64) + bytes(64), np.uint8)
    with pytest.raises(CodecError):
        codec_named("zstd").decode(Coded(array=skippable), dtype=np.dtype("f4"), shape=(4, 4))


def test_damaged_booleans_are_refused() -> None:
    coded = codec_named("zstd").encode(np.array([0, 1, 2], np.uint8))
    with pytest.raises(CodecError, match="other than 0 and 1"):
        codec_named("zstd").decode(coded, dtype=np.dtype("?"), shape=(3,))


@pytest.mark.parametrize("name", QUANTISING)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_without_a_range_are_refused_and_not_guessed(name: str, value: float) -> None:
    array = np.ones((1, 2, 64), np.float32)
    array[0, 1, 3] = value
    with pytest.raises(CodecError, match="send it raw"):
        codec_named(name).encode(array)


def test_a_range_beyond_float64_is_refused() -> None:
    with pytest.raises(CodecError, match="range beyond float64"):
        codec_named("int8").encode(np.array([-1.7e308, 1.7e308]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", QUANTISING)
def test_the_ends_of_a_types_range_survive(name: str, dtype: np.dtype) -> None:
    limits = np.finfo(dtype)
    spread = 1 if dtype != np.float64 else 4
    array = np.array([limits.min / spread, 0, limits.max / spread], dtype)
    codec = codec_named(name)
    back = codec.decode(codec.encode(array), dtype=dtype, shape=array.shape)
    assert np.isfinite(back).all()
    assert np.allclose(back / array[2], array / array[2], atol=0.005)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("share", [0.7, 0.9, 0.97, 0.99])
def test_a_range_just_below_a_types_largest_stays_finite(dtype: np.dtype, share: float) -> None:
    largest = np.finfo(dtype).max
    array, codec = np.array([largest * dtype.type(share), largest], dtype), codec_named("int8")
    for ends in (array, -array):
        back = codec.decode(codec.encode(ends), dtype=dtype, shape=ends.shape)
        assert np.allclose(back / largest, ends / largest, rtol=0.002)


@pytest.mark.parametrize("name", QUANTISING)
def test_a_constant_comes_back_exactly(name: str) -> None:
    array = np.full((1, 3, 100), np.float32(0.1))
    codec = codec_named(name)
    assert np.array_equal(codec.decode(codec.encode(array), dtype=array.dtype, shape=array.shape), array)


def test_channels_of_different_ranges_keep_their_own_steps() -> None:
    generator = np.random.default_rng(0)
    array = (generator.standard_normal((1, 3, 64)) * np.array([1e-3, 1, 1e3])[:, None]).astype(np.float32)
    whole, channels = codec_named("int8"), codec_named("int8/channel")
    coded = channels.encode(array)
    assert len(base64.b64decode(str(coded.parameters["partway.steps"]))) == 3 * 8
    near = channels.decode(coded, dtype=array.dtype, shape=array.shape)
    far = whole.decode(whole.encode(array), dtype=array.dtype, shape=array.shape)
    assert np.abs(near - array)[0, 0].max() < 1e-4 < np.abs(far - array)[0, 0].max()


@pytest.mark.parametrize("shape", [(), (5,), (1, 1000), (1, 3, 4), (2, 0, 4)])
def test_channels_too_small_for_steps_of_their_own_share_one(shape: tuple[int, ...]) -> None:
    assert "partway.scale" in codec_named("int8/channel").encode(np.zeros(shape, np.float32)).parameters


@pytest.mark.parametrize(
    "steps",
    [
        "",
        "AAAA",
        "A" * 32,
        "A" * 30 + "==",
        "?" * 32,
        "é" * 32,
        base64.b64encode(np.full(6, np.nan, "<f4").tobytes()).decode(),
    ],
)
def test_hostile_steps_are_refused(steps: str) -> None:
    coded = Coded(array=np.zeros((1, 3, 64), np.uint8), parameters={"partway.steps": steps})
    if steps == "A" * 32:
        assert not codec_named("int8/channel").decode(coded, dtype=np.dtype("f4"), shape=(1, 3, 64)).any()
        return
    with pytest.raises(CodecError):
        codec_named("int8/channel").decode(coded, dtype=np.dtype("f4"), shape=(1, 3, 64))


def test_hostile_offsets_of_channels_are_refused() -> None:
    steps = base64.b64encode(np.array([1, 0, 1, np.nan, 1, 0], "<f4").tobytes()).decode()
    coded = Coded(array=np.zeros((1, 3, 64), np.uint8), parameters={"partway.steps": steps})
    with pytest.raises(CodecError, match="cannot hold"):
        codec_named("int8/channel").decode(coded, dtype=np.dtype("f4"), shape=(1, 3, 64))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sign", [1, -1])
def test_steps_that_nobody_encoded_lead_to_the_types_largest_and_not_past_it(dtype: np.dtype, sign: int) -> None:
    largest = float(np.finfo(dtype).max)
    parameters = {"partway.scale": largest, "partway.offset": sign * largest}
    coded = Coded(array=np.array([0, 255], np.uint8), parameters=parameters)
    back = codec_named("int8").decode(coded, dtype=dtype, shape=(2,))
    assert back.tolist() == [sign * largest, largest]


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, 1e300, True, "1", None, 10**400])
def test_a_hostile_scale_is_refused(scale: ParameterValue | None) -> None:
    parameters: dict[str, ParameterValue] = {"partway.offset": 0.0}
    if scale is not None:
        parameters["partway.scale"] = scale
    with pytest.raises(CodecError):
        codec_named("int8").decode(
            Coded(array=np.full(3, 255, np.uint8), parameters=parameters), dtype=np.dtype("f4"), shape=(3,)
        )


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("kind", ["i4", "?", "u1", "O", ">f4", "c8"])
def test_types_that_do_not_round_are_not_accepted(name: str, kind: str) -> None:
    codec = codec_named(name)
    assert not codec.accepts(np.dtype(kind))
    with pytest.raises(CodecError, match="send them raw"):
        codec.encode(np.zeros(3, kind))


@pytest.mark.parametrize("kind", ["O", "U3", "S3", ">f4", "c8", "M8[s]"])
def test_what_has_no_plain_bytes_is_not_accepted_by_zstd(kind: str) -> None:
    assert not codec_named("zstd").accepts(np.dtype(kind))
    assert codec_named("raw").accepts(np.dtype(kind))


def test_raw_strings_pass_and_other_shapes_do_not() -> None:
    raw, words = codec_named("raw"), np.array([["a", "b"]], object)
    assert raw.decode(raw.encode(words), dtype=np.dtype(object), shape=(1, 2)) is words
    for array, dtype in ((words, np.dtype(object)), (np.zeros(2, np.float32), np.dtype("f4"))):
        with pytest.raises(CodecError):
            raw.decode(Coded(array=array), dtype=dtype, shape=(3,))
    with pytest.raises(CodecError):
        raw.decode(Coded(array=np.zeros(2, np.float32)), dtype=np.dtype("f8"), shape=(2,))


@pytest.mark.parametrize("name", known_codecs())
def test_many_threads_share_one_codec(name: str) -> None:
    codec = codec_named(name)
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal((1, 8, 40, 40)).astype(np.float32) for _ in range(4)]
    expected = [codec.decode(codec.encode(array), dtype=array.dtype, shape=array.shape) for array in arrays]
    wrong: list[int] = []

    def work(index: int) -> None:
        array = arrays[index]
        for _ in range(10):
            back = codec.decode(codec.encode(array), dtype=array.dtype, shape=array.shape)
            if not np.array_equal(back, expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(arrays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("name", known_codecs())
def test_encoding_and_decoding_change_no_input(name: str) -> None:
    codec = codec_named(name)
    array = np.linspace(-1, 1, 256, dtype=np.float32).reshape(1, 2, 128)
    before = array.copy()
    coded = codec.encode(array)
    sent = coded.array.copy()
    coded.array.flags.writeable = False
    codec.decode(coded, dtype=array.dtype, shape=array.shape)
    assert np.array_equal(array, before)
    assert np.array_equal(coded.array, sent)
