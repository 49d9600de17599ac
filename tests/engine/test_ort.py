import math
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from tests.graph.support import RUNTIME, canonical, save, value
from tests.models import (
    ELEMENT_TYPES,
    chain_model,
    dynamic_model,
    multi_io_model,
    random_feeds,
    run_whole,
    typed_models,
)

from partway.engine import Level, OrtRuntime, PieceStore
from partway.errors import BindingError, EngineError, InputError, ModelError, PartwayError
from partway.graph import candidate_cuts, single_tensor_cuts
from partway.verification import run_cut


@pytest.mark.parametrize("element", ELEMENT_TYPES)
def test_every_element_type_goes_in_out_and_across(tmp_path: Path, element: str) -> None:
    path = typed_models(tmp_path)[element]
    feeds = random_feeds(path)
    expected = run_whole(path, feeds)["y"]
    session = RUNTIME.open(path)
    answer = session.run(feeds)["y"]
    assert answer.dtype == expected.dtype
    np.testing.assert_array_equal(answer, expected)
    model = canonical(path)
    store = PieceStore(model, RUNTIME)
    for promote in (False, True):
        if promote:
            store.want(single_tensor_cuts(model))
            store.promote()
        for cut in (*single_tensor_cuts(model), *candidate_cuts(model)):
            np.testing.assert_array_equal(run_cut(store, cut, feeds)["y"], expected, err_msg=str(cut.crossing))


@pytest.mark.parametrize(
    ("element", "dtype"),
    [
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
        (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
    ],
)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0, 3)])
def test_types_that_numpy_lacks_keep_their_shape(
    tmp_path: Path, element: int, dtype: type, shape: tuple[int, ...]
) -> None:
    path = save(
        tmp_path / "extended.onnx",
        [helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT), helper.make_node("Identity", ["x"], ["y"])],
        [value("x", *shape, element=element)],
        [value("y", *shape, element=element), value("wide", *shape)],
        opset=19,
    )
    x: np.ndarray = np.arange(math.prod(shape), dtype=np.float32).reshape(shape).astype(dtype)
    answer = RUNTIME.open(path).run({"x": x})
    assert answer["y"].dtype == x.dtype
    np.testing.assert_array_equal(answer["y"], x)
    np.testing.assert_array_equal(answer["wide"], x.astype(np.float32))


def test_extended_feeds_may_be_views(tmp_path: Path) -> None:
    path = typed_models(tmp_path)["BFLOAT16"]
    x = np.arange(6, dtype=np.float32).astype(ml_dtypes.bfloat16).reshape(3, 2).T
    np.testing.assert_array_equal(RUNTIME.open(path).run({"x": x})["y"], run_whole(path, {"x": x.copy()})["y"])


def test_a_session_tells_its_tensors(tmp_path: Path) -> None:
    session = RUNTIME.open(dynamic_model(tmp_path))
    assert session.inputs == ("image",)
    assert session.outputs == ("scores",)
    assert session.input_infos[0].shape == ("batch", 3, None, "width")


def test_a_session_computes_what_is_asked_for(tmp_path: Path) -> None:
    path = multi_io_model(tmp_path)
    feeds = random_feeds(path)
    assert list(RUNTIME.open(path).run(feeds, ("last", "early"))) == ["last", "early"]


def wrong_feeds() -> dict[str, dict[str, np.ndarray]]:
    image = np.zeros((1, 3, 8, 8), np.float32)
    return {
        "missing": {},
        "unknown": {"image": image, "other": image},
        "type": {"image": image.astype(np.float64)},
        "rank": {"image": image[0]},
        "length": {"image": image[:, :2]},
        "strings": {"image": image.astype(str)},
        "objects": {"image": np.full((1, 3, 8, 8), None, dtype=object)},
        "extended": {"image": image.astype(ml_dtypes.bfloat16)},
        "complex": {"image": image.astype(np.complex64)},
    }


@pytest.mark.parametrize("name", wrong_feeds())
@pytest.mark.parametrize("extended", [False, True])
def test_feeds_that_do_not_fit_are_our_own_errors(tmp_path: Path, name: str, extended: bool) -> None:
    path = typed_models(tmp_path)["BFLOAT16"] if extended else chain_model(tmp_path)
    feeds = wrong_feeds()[name]
    if extended:
        feeds = {("x" if key == "image" else key): array for key, array in feeds.items()}
    with pytest.raises(PartwayError) as caught:
        RUNTIME.open(path).run(feeds)
    assert isinstance(caught.value, BindingError | EngineError)
    assert "ONNXRuntimeError" not in str(caught.value)


def test_an_output_that_is_not_there_is_our_own_error(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    with pytest.raises(PartwayError):
        RUNTIME.open(path).run(random_feeds(path), ("nowhere",))


def test_a_failure_inside_the_graph_is_our_own_error(tmp_path: Path) -> None:
    path = save(
        tmp_path / "gather.onnx",
        [helper.make_node("Gather", ["x", "index"], ["y"])],
        [value("x", 3), value("index", 1, element=TensorProto.INT64)],
        [value("y", 1)],
    )
    with pytest.raises(PartwayError, match="out of data bounds"):
        RUNTIME.open(path).run({"x": np.zeros(3, np.float32), "index": np.array([7])})


@pytest.mark.parametrize("content", [b"", b"no model", bytes(100)])
def test_a_file_that_is_no_model_is_a_model_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(content)
    for missing in (path, tmp_path / "none.onnx"):
        with pytest.raises(ModelError, match=r"no\w*\.onnx: "):
            RUNTIME.open(missing)


def test_a_graph_that_the_runtime_refuses_is_an_engine_error(tmp_path: Path) -> None:
    graph = helper.make_graph([helper.make_node("Nonsense", ["x"], ["y"])], "g", [value("x", 1)], [value("y", 1)])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(EngineError, match="Nonsense"):
        RUNTIME.load(model, tmp_path, level=Level.BASIC, prepack=False)
    with pytest.raises(EngineError, match="Nonsense"):
        RUNTIME.optimise(model, tmp_path, tmp_path / "o.onnx", "o.bin")
    with pytest.raises(EngineError):
        RUNTIME.describe_outputs(onnx.ModelProto(), tmp_path)
    with pytest.raises(EngineError):
        RUNTIME.simplify(tmp_path / "none.onnx", tmp_path / "o.onnx", "o.bin")


def test_a_provider_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no provider 'MoonExecutionProvider' here; it has .*CPUExecutionProvider"):
        OrtRuntime(providers=("MoonExecutionProvider",))


def test_a_runtime_says_what_it_is() -> None:
    assert RUNTIME.version == f"onnxruntime {onnxruntime.__version__}"
    assert RUNTIME.machine == OrtRuntime().machine
    assert RUNTIME.shares_optimised_graphs
