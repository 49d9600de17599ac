import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.graph.support import RUNTIME, canonical
from tests.models import chain_model, diamond_model, if_model, run_whole

from partway.engine import OrtRuntime, PieceStore, ProfiledSession, TimedGraph, prepare_timing, random_feeds
from partway.errors import EngineError
from partway.graph import whole


def prepared(path: Path, runtime: OrtRuntime = RUNTIME) -> TimedGraph:
    return prepare_timing(onnx.load(path), runtime)


def feeds_of(graph: TimedGraph) -> dict[str, np.ndarray]:
    return random_feeds(graph.inputs, np.random.default_rng(0))


@pytest.mark.parametrize("make", [chain_model, diamond_model, if_model])
def test_every_kernel_is_timed_in_every_run(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    graph = prepared(make(tmp_path))
    feeds = feeds_of(graph)
    with graph.profiled() as session:
        for _ in range(3):
            session.run(feeds)
        kernel_runs_s = session.kernel_runs_s()
    assert [len(runs_s) for runs_s in kernel_runs_s] == [3] * len(graph.kernels)
    assert all(run_s >= 0 for runs_s in kernel_runs_s for run_s in runs_s)


def test_both_sessions_answer_as_the_model_does(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    graph = prepared(path)
    feeds = feeds_of(graph)
    expected = run_whole(path, feeds)
    plain = graph.plain()
    with graph.profiled() as profiled:
        assert (profiled.inputs, profiled.outputs) == (plain.inputs, plain.outputs)
        for session in (plain, profiled):
            for name, array in session.run(feeds).items():
                np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [chain_model, diamond_model])
def test_what_is_timed_is_what_a_piece_store_runs(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    model = canonical(path)
    store = PieceStore(model, RUNTIME)
    assert store.promote()
    assert prepared(path).kernels == store.kernels(whole(model)).kernels


def test_weights_and_activations_are_counted(tmp_path: Path) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, (4, 5), np.zeros(20, np.float32).tobytes(), raw=True)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, 5))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Tanh", ["m"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], [weight]), ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
    )
    graph = prepare_timing(model, RUNTIME)
    assert [kernel.op_type for kernel in graph.kernels] == ["MatMul", "Tanh"]
    assert graph.weight_bytes == 4 * 20
    assert graph.activation_bytes == 4 * (12 + 15 + 15)


def test_nothing_is_left_on_the_disk_even_while_it_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    graph = prepared(chain_model(tmp_path))
    with graph.profiled() as session:
        assert list(scratch.iterdir()) == []
        session.run(feeds_of(graph))
        assert sum(map(len, session.kernel_runs_s())) == len(graph.kernels)
    assert list(scratch.iterdir()) == []


def test_other_providers_are_timed_too(tmp_path: Path) -> None:
    runtime = OrtRuntime(threads=1, providers=("AzureExecutionProvider", "CPUExecutionProvider"))
    assert prepared(chain_model(tmp_path), runtime).kernels


def test_a_graph_that_the_runtime_refuses_is_an_error_of_the_engine() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1,))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1,))
    graph = helper.make_graph([helper.make_node("Fly", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(EngineError, match="Fly"):
        prepare_timing(model, RUNTIME)


@pytest.mark.parametrize("content", [b"", b"[{", b'{"cat": "Node"}', b"\xff"])
def test_a_profile_that_cannot_be_read_is_an_error_of_the_engine(tmp_path: Path, content: bytes) -> None:
    graph = prepared(chain_model(tmp_path))
    with graph.profiled() as session, pytest.raises(EngineError, match="profile cannot be read"):
        ProfiledSession(session._session, io.BytesIO(content), len(graph.kernels)).kernel_runs_s()
