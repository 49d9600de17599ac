from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model, dynamic_model, multi_io_model, optional_input_model, typed_models

from partway.engine import OrtRuntime
from partway.errors import BindingError, CutError, InputError, ModelMismatch, PartwayError
from partway.graph import Binding, Model, Source, canonicalise
from partway.serving.meaning import align, check_digest, check_feeds, read_binding, read_feeds, read_tail
from partway.wire import InferRequest

F32 = np.float32


@pytest.fixture
def chain(tmp_path: Path) -> Source:
    return Source.open(chain_model(tmp_path))


@pytest.fixture
def dynamic(tmp_path: Path) -> Source:
    return Source.open(dynamic_model(tmp_path))


def model_of(source: Source, binding: Binding | None = None) -> Model:
    return canonicalise(source, binding or source.bind(), OrtRuntime(threads=1))


def zeros(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, F32) for name, shape in shapes.items()}


def test_a_missing_or_equal_digest_is_fine(chain: Source) -> None:
    check_digest(chain, None)
    check_digest(chain, chain.digest)


@pytest.mark.parametrize(("digest", "error"), [("sha256:00", ModelMismatch), (7, InputError)])
def test_another_digest_is_refused(digest: str | int, error: type[PartwayError], chain: Source) -> None:
    with pytest.raises(error):
        check_digest(chain, digest)


def test_a_request_without_tensors_is_refused() -> None:
    with pytest.raises(InputError, match="feeds no tensor"):
        read_feeds(InferRequest(model_name="any"))


def test_fed_inputs_bind_by_their_shapes(dynamic: Source) -> None:
    binding = read_binding(dynamic, None, zeros(image=(2, 3, 8, 10)))
    assert dict(binding.shapes) == {"image": (2, 3, 8, 10)}


def test_optional_inputs_may_be_fed_or_left_out(tmp_path: Path) -> None:
    source = Source.open(optional_input_model(tmp_path))
    assert dict(read_binding(source, None, zeros(x=(1, 4))).shapes) == {"x": (1, 4)}
    both = read_binding(source, None, zeros(x=(1, 4), scale=(1, 4)))
    assert dict(both.shapes) == {"x": (1, 4), "scale": (1, 4)}


def test_intermediate_tensors_of_a_model_with_fixed_shapes_need_no_binding(chain: Source) -> None:
    assert read_binding(chain, None, zeros(pool1=(1, 8, 4, 4))) == chain.bind()


def test_intermediate_tensors_of_a_model_with_open_shapes_need_one(dynamic: Source) -> None:
    with pytest.raises(BindingError, match=r"send the binding as the request parameter 'partway\.binding'"):
        read_binding(dynamic, None, zeros(pool1=(1, 8, 4, 4)))


def test_an_input_beside_intermediate_tensors_binds_by_its_shape(tmp_path: Path) -> None:
    source = Source.open(multi_io_model(tmp_path))
    assert read_binding(source, None, zeros(middle=(1, 6), late=(1, 3))) == source.bind()


def test_a_binding_that_was_sent_is_used(dynamic: Source) -> None:
    sent = dynamic.bind({"image": (2, 3, 8, 10)})
    assert read_binding(dynamic, sent.encode(), zeros(pool1=(2, 8, 4, 5))) == sent


@pytest.mark.parametrize(
    ("binding", "error"),
    [
        ("{", BindingError),
        (7, BindingError),
        ('{"shapes":{}}', ModelMismatch),
        ('{"shapes":{"image":[1,3,8,8],"other":[1]}}', ModelMismatch),
        ('{"shapes":{"image":[1,4,8,8]}}', ModelMismatch),
        ('{"shapes":{"image":[1,3,16,16]}}', ModelMismatch),
    ],
)
def test_a_binding_of_another_model_is_refused(binding: str | int, error: type[PartwayError], chain: Source) -> None:
    with pytest.raises(error):
        read_binding(chain, binding, zeros(pool1=(1, 8, 4, 4)))


def test_a_binding_that_contradicts_the_fed_inputs_is_refused(dynamic: Source) -> None:
    sent = dynamic.bind({"image": (2, 3, 8, 10)})
    for known in (None, sent):
        with pytest.raises(BindingError, match=r"has shape \[1, 3, 8, 8\] and its binding says \[2, 3, 8, 10\]"):
            read_binding(dynamic, sent.encode(), zeros(image=(1, 3, 8, 8)), known=known)


def test_a_tensor_that_the_model_does_not_have_is_named_before_anything_else(dynamic: Source) -> None:
    with pytest.raises(CutError, match="no tensor 'picture'; its inputs are image"):
        read_binding(dynamic, None, zeros(picture=(1, 3, 8, 8)))


def test_the_tail_is_what_the_fed_tensors_leave(chain: Source) -> None:
    model = model_of(chain)
    assert read_tail(model, ("pool1",), ()).outputs == ("scores",)
    assert read_tail(model, ("image",), ("scores",)).inputs == ("image",)
    with pytest.raises(CutError, match="no output"):
        read_tail(model, ("image",), ("relu1",))


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"pool1": np.zeros((1, 8, 4, 4), np.float64)}, "is float64.*the model's is float32"),
        ({"pool1": np.zeros((1, 8, 4, 5), F32)}, r"is float32\[1,8,4,5\]; the model's is float32\[1,8,4,4\] here"),
        ({"pool1": np.zeros((1, 8, 16), F32)}, r"is float32\[1,8,16\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(feeds: Mapping[str, np.ndarray], message: str, chain: Source) -> None:
    model = model_of(chain)
    with pytest.raises(BindingError, match=message):
        check_feeds(model, feeds, guessed=False)


def test_a_shape_that_does_not_fit_a_guessed_binding_says_how_to_send_one(chain: Source) -> None:
    with pytest.raises(BindingError, match=r"partway\.binding"):
        check_feeds(model_of(chain), zeros(pool1=(1, 8, 4, 5)), guessed=True)


def test_arrays_of_every_type_fit_their_own_model(tmp_path: Path) -> None:
    for path in typed_models(tmp_path).values():
        model = model_of(Source.open(path))
        tensor = model.inputs[0]
        assert tensor.dtype is not None
        check_feeds(model, {"x": np.zeros((2, 3), tensor.dtype)}, guessed=True)


def test_unaligned_arrays_are_copied_and_others_are_not() -> None:
    received = bytes(range(33))
    unaligned = np.frombuffer(memoryview(received)[1:], F32)
    aligned, scalar, text = np.arange(8, dtype=F32), np.array(3, np.int64), np.array(["a"], object)
    found = align({"unaligned": unaligned, "aligned": aligned, "scalar": scalar, "text": text})
    assert found["unaligned"].flags.aligned
    assert found["unaligned"].tobytes() == received[1:]
    assert found["aligned"] is aligned
    assert found["scalar"].shape == ()
    assert found["text"] is text
