import string
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.errors import BindingError
from partway.graph import Binding, Source, TensorInfo, match_value
from partway.graph.binding import bind_inputs, make_binding

FLOAT = np.dtype(np.float32)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
shapes = st.dictionaries(names, st.lists(st.integers(0, 4096), max_size=5).map(tuple), max_size=4)
dtypes = st.sampled_from([np.dtype(code) for code in "?bhilBHILefd"])
values = st.dictionaries(
    names, st.builds(lambda dtype, shape: np.ones(shape, dtype), dtypes, st.sampled_from([(), (1,), (2, 3), (0,)]))
)


def tensor(name: str, *shape: int | str | None, dtype: type = np.float32) -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


def bind(
    *inputs: TensorInfo,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    optional: tuple[str, ...] = (),
) -> Binding:
    return bind_inputs(inputs, frozenset(optional), shapes or {}, values or {})


@law
@given(shapes, values)
def test_decoding_what_was_encoded_gives_the_binding(
    given_shapes: dict[str, tuple[int, ...]], given_values: dict[str, np.ndarray]
) -> None:
    binding = make_binding(given_shapes, given_values)
    decoded = Binding.decode(binding.encode())
    assert decoded == binding
    assert hash(decoded) == hash(binding)
    assert decoded.encode() == binding.encode()
    for held in decoded.values:
        np.testing.assert_array_equal(held.array(), given_values[held.name])


@law
@given(shapes)
def test_the_order_of_names_does_not_matter(given_shapes: dict[str, tuple[int, ...]]) -> None:
    turned = dict(reversed(given_shapes.items()))
    assert make_binding(turned, {}).encode() == make_binding(given_shapes, {}).encode()


def encoded_value(dtype: str, shape: str = "[]", content: str = "AAAAAA==") -> str:
    return f'{{"shapes":{{}},"values":{{"a":["{dtype}",{shape},"{content}"]}}}}'


@law
@example("")
@example("[" * 100_000)
@example('{"shapes":' + '{"a":' * 100_000)
@example('{"shapes":{"a":[-1]}}')
@example('{"shapes":{"a":[1e999]}}')
@example('{"shapes":{"a":[1.5]}}')
@example('{"shapes":{"a":[99999999999999999999]}}')
@example('{"shapes":{"a":[' + ",".join(["1"] * 33) + "]}}")
@example('{"shapes":{},"more":1}')
@example('{"shapes":{"\ud800":[1]}}')
@example(encoded_value("<f4", "[2]"))
@example(encoded_value("<f4", "[0,1099511627776,1099511627776]", ""))
@example(encoded_value("<f4", "[]", "%%%"))
@example(encoded_value("O"))
@example(encoded_value("f4,,"))
@example(encoded_value("(1,f4"))
@example(encoded_value("a4"))
@example(encoded_value(">f4"))
@example(encoded_value("V4"))
@example(encoded_value("<f4", "[24576]", "A" * 131_072))
@given(
    st.text(max_size=60)
    | st.text(st.characters()).map(lambda text: f'{{"shapes":{{"{text}":[1]}}}}')
    | st.text(string.printable, max_size=12).map(
        lambda text: encoded_value(text.replace("\\", "\\\\").replace('"', '\\"'))
    )
)
def test_hostile_text_is_never_more_than_a_binding_error(text: str) -> None:
    try:
        binding = Binding.decode(text)
    except BindingError:
        return
    assert Binding.decode(binding.encode()) == binding


def test_an_open_first_dimension_is_a_batch_of_one() -> None:
    assert bind(tensor("x", "N", 3), tensor("y", None)).shapes == (("x", (1, 3)), ("y", (1,)))


def test_other_open_dimensions_are_listed_with_an_example() -> None:
    with pytest.raises(BindingError) as caught:
        bind(tensor("image", "N", 3, "height", None), tensor("y", 2), tensor("free", None, "T"))
    message = str(caught.value)
    assert "float32[N, 3, height, ?] image" in message
    assert "float32[?, T] free" in message
    assert "--shape image=N,3,N,N --shape free=N,N" in message
    assert " y" not in message


def test_a_symbol_takes_its_length_from_another_input() -> None:
    binding = bind(tensor("ids", "N", "T"), tensor("mask", "N", "T"), shapes={"ids": (4, 16)})
    assert dict(binding.shapes) == {"ids": (4, 16), "mask": (4, 16)}


def test_a_symbol_has_one_length() -> None:
    with pytest.raises(BindingError, match=r"binds dimension 'T' to 8, another input to 16"):
        bind(tensor("ids", "N", "T"), tensor("mask", "N", "T"), shapes={"ids": (4, 16), "mask": (4, 8)})


def test_an_optional_input_is_fed_only_when_its_shape_is_given() -> None:
    inputs = tensor("x", 1, 4), tensor("scale", 1, 4)
    assert dict(bind(*inputs, optional=("scale",)).shapes) == {"x": (1, 4)}
    fed = bind(*inputs, optional=("scale",), shapes={"scale": (1, 4)})
    assert dict(fed.shapes) == {"x": (1, 4), "scale": (1, 4)}


@pytest.mark.parametrize("shape", [(1, 4), (1, 3, 2), (1, 3, 8, 9, 1), (1, 3, -1, 9)])
def test_a_shape_that_contradicts_the_model_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BindingError, match=r"input 'x' is float32.* does not fit it"):
        bind(tensor("x", "N", 3, None, None), shapes={"x": shape})


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(BindingError, match=r"no input 'z'; its inputs are x, y"):
        bind(tensor("x"), tensor("y"), shapes={"z": (1,)})
    with pytest.raises(BindingError, match=r"no input 'z'; its inputs are x, y"):
        bind(tensor("x"), tensor("y"), values={"z": np.array(1)})


def test_a_bound_value_takes_the_inputs_type_and_rank() -> None:
    binding = bind(tensor("sr", dtype=np.int64), tensor("x", 2), values={"sr": np.array([16000.0])})
    (held,) = binding.values
    assert held.array().dtype == np.int64
    assert held.array().shape == ()
    assert held.array() == 16000
    assert dict(binding.shapes) == {"x": (2,)}
    assert match_value(tensor("x", None, 1), np.array(3)).shape == (1, 1)


def test_a_float_is_rounded_to_the_inputs_precision() -> None:
    assert match_value(tensor("x"), np.array(0.1)) == np.float32(0.1)
    assert np.isnan(match_value(tensor("x"), np.array(np.nan)))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (np.int64, np.array(16000.5)),
        (np.int8, np.array(300)),
        (np.uint8, np.array(-1)),
        (np.bool_, np.array(2)),
        (np.int64, np.array(np.nan)),
        (np.int64, np.array("16000")),
        (np.float32, np.array("fast")),
        (np.float32, np.array(1e300)),
        (np.float32, np.array(1 + 2j)),
        (np.int64, np.array(2**70, dtype=object)),
        (object, np.array(1)),
    ],
)
def test_a_value_that_the_input_cannot_hold_is_refused(dtype: type, value: np.ndarray) -> None:
    with pytest.raises(BindingError, match=r"input 'sr' is"):
        match_value(tensor("sr", dtype=dtype), value)


def test_weights_are_no_bound_values() -> None:
    with pytest.raises(BindingError, match=r"at most 65536 bytes: feed it instead"):
        bind(tensor("x", 20_000), values={"x": np.zeros(20_000, np.float32)})


def test_a_value_and_another_shape_for_one_input_are_refused() -> None:
    with pytest.raises(BindingError, match=r"input 'x' is bound to a value of shape .* leave the shape out"):
        bind(tensor("x", None), values={"x": np.zeros(2)}, shapes={"x": (3,)})


def source(*inputs: TensorInfo, optional: tuple[TensorInfo, ...] = ()) -> Source:
    return Source(
        path=Path("m.onnx"),
        digest="sha256:0",
        inputs=inputs,
        optional_inputs=optional,
        outputs=(),
        names=frozenset(),
        stamp=(),
    )


def test_feeds_bind_by_their_shapes() -> None:
    model = source(tensor("x", "N", None), optional=(tensor("scale", 1),))
    assert dict(model.bind_feeds({"x": np.zeros((2, 7), np.float32)}).shapes) == {"x": (2, 7)}
    both = {"x": np.zeros((2, 7), np.float32), "scale": np.zeros(1, np.float32)}
    assert dict(model.bind_feeds(both).shapes) == {"x": (2, 7), "scale": (1,)}


def test_feeds_that_do_not_fit_are_named() -> None:
    model = source(tensor("x", 2), tensor("y", 2))
    zeros = np.zeros(2, np.float32)
    with pytest.raises(BindingError, match=r"no feed for the inputs y"):
        model.bind_feeds({"x": zeros})
    with pytest.raises(BindingError, match=r"input 'y' is float32\[2\]; it was fed float64"):
        model.bind_feeds({"x": zeros, "y": zeros.astype(np.float64)})
    with pytest.raises(BindingError, match=r"no input 'z'"):
        model.bind_feeds({"x": zeros, "y": zeros, "z": zeros})


def test_a_feed_may_not_contradict_the_value_that_its_input_is_held_at() -> None:
    model = source(tensor("x", 2), tensor("sr", dtype=np.int64))
    feeds = {"x": np.zeros(2, np.float32), "sr": np.array(8000)}
    assert dict(model.bind_feeds(feeds, {"sr": np.array(8000)}).shapes) == {"x": (2,)}
    with pytest.raises(BindingError, match=r"input 'sr' is held at 16000 and was fed another value"):
        model.bind_feeds(feeds, {"sr": np.array(16000)})


def test_strings_are_fed_in_any_of_numpys_forms() -> None:
    model = source(tensor("text", 2, dtype=object))
    for array in (np.array(["a", "b"]), np.array(["a", "b"], dtype=object)):
        assert dict(model.bind_feeds({"text": array}).shapes) == {"text": (2,)}
