"""What people do to sessions that a first reading of the interface does not suggest."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.client.loopback import LoopbackServer
from tests.models import chain_model, dynamic_model, multi_io_model, random_feeds, run_whole

import partway
from partway.errors import BindingError, ServerUnavailable
from partway.graph import canonicalise
from partway.link import Link
from partway.testing import FakeTransport
from partway.wire import COSTS_MODEL, InferRequest, InferResponse

FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)


def scale_model(path: Path, factor: float) -> Path:
    """y = x * k * factor for any length, and a constant output beside it."""
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["scaled"]),
        helper.make_node("Relu", ["scaled"], ["positive"]),
        helper.make_node("Mul", ["positive", "k"], ["y"]),
        helper.make_node("Identity", ["factor"], ["constant"]),
    ]
    values = {
        "inputs": [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, [1]),
        ],
        "outputs": [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("constant", TensorProto.FLOAT, [1]),
        ],
    }
    weight = numpy_helper.from_array(np.array([factor], np.float32), "factor")
    graph = helper.make_graph(nodes, "scale", values["inputs"], values["outputs"], [weight])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def ones(length: int) -> dict[str, np.ndarray]:
    return {"x": np.ones(length, np.float32)}


def test_one_output_of_several_can_be_asked_for_wherever_the_others_are_made(tmp_path: Path) -> None:
    for path in (scale_model(tmp_path / "scale.onnx", 3.0), multi_io_model(tmp_path)):
        feeds = random_feeds(path, {"x": (5,)} if path.stem == "scale" else {})
        server = LoopbackServer(path)
        with partway.InferenceSession(path, transport=server, device_slowdown=200.0, prior_link=FAST_LINK) as session:
            assert session.wait_until_ready(feeds)
            for name, expected in run_whole(path, feeds).items():
                np.testing.assert_allclose(session.run([name], feeds)[0], expected, rtol=1e-4, atol=1e-6)


def test_naming_no_output_means_all_as_in_onnxruntime(tmp_path: Path) -> None:
    path = multi_io_model(tmp_path)
    feeds = random_feeds(path)
    with partway.InferenceSession(path) as session:
        assert len(session.run([], feeds)) == len(onnxruntime.InferenceSession(path).run([], feeds))


def test_feeds_may_be_lists_and_of_any_byte_order(tmp_path: Path) -> None:
    path = scale_model(tmp_path / "scale.onnx", 3.0)
    with partway.InferenceSession(path, bind={"k": 2.0}) as session:
        for value in ([1.0, 1.0], np.ones(2, ">f4")):
            (answer,) = session.run(["y"], {"x": value})  # type: ignore[dict-item]  # as onnxruntime takes
            np.testing.assert_allclose(answer, np.full(2, 6.0))


def test_sequences_stay_on_the_device(tmp_path: Path) -> None:
    node = helper.make_node("ConcatFromSequence", ["parts"], ["y"], axis=0)
    parts = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [parts], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])])
    path = tmp_path / "sequence.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    given = [np.ones(2, np.float32), np.zeros(1, np.float32)]
    with partway.InferenceSession(path, transport=FakeTransport(lambda _: InferResponse(model_name=""))) as session:
        (joined,) = session.run(None, {"parts": given})  # type: ignore[dict-item]  # a sequence
    np.testing.assert_array_equal(joined, [1.0, 1.0, 0.0])


def test_a_feed_that_contradicts_a_held_input_is_refused_and_an_equal_one_is_not(tmp_path: Path) -> None:
    path = scale_model(tmp_path / "scale.onnx", 3.0)
    server = LoopbackServer(path)
    with partway.InferenceSession(
        path, transport=server, bind={"k": 2.0}, device_slowdown=200.0, prior_link=FAST_LINK
    ) as session:
        feeds = ones(4) | {"k": np.array([2.0], np.float32)}
        assert session.wait_until_ready(feeds)
        assert session.costs(feeds) is not None, "an equal feed does not keep the cuts from being prepared"
        result = session.run_detailed(["y"], feeds)
        np.testing.assert_allclose(result.outputs[0], [6.0] * 4)
        with pytest.raises(BindingError, match="'k' is held at"):
            session.run(None, feeds | {"k": np.array([5.0], np.float32)})


def test_a_file_that_is_replaced_does_not_change_the_model_of_a_session(tmp_path: Path) -> None:
    path = scale_model(tmp_path / "scale.onnx", 2.0)
    server = LoopbackServer(path)
    with partway.InferenceSession(
        path, transport=server, bind={"k": 1.0}, device_slowdown=200.0, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(ones(2))
        replacement = scale_model(tmp_path / "other.onnx", 7.0)
        replacement.replace(path)
        for length in (2, 3):
            assert session.wait_until_ready(ones(length), 5.0) == (length == 2)
            np.testing.assert_allclose(session.run(["y"], ones(length))[0], [2.0] * length)


def test_many_shapes_do_not_pile_up(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    with partway.InferenceSession(path, transport=LoopbackServer(path), prior_link=FAST_LINK) as session:
        for size in range(8, 48):
            feeds = random_feeds(path, {"image": (1, 3, size, size)})
            session.run(None, feeds)
        session.settle(60.0)
        learner = session._learner
        assert learner is not None
        assert len(learner._bound) <= 8
        assert len(learner._examples) <= 8
        assert session.wait_until_ready(feeds)


_WITHOUT_CLOSE = """
import logging, sys
import numpy as np, partway
from partway.testing import FakeTransport
from partway.errors import ServerUnavailable
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
def gone(request): raise ServerUnavailable("gone")
session = partway.InferenceSession(sys.argv[1], transport=FakeTransport(gone))
for size in range(8, 16):
    session.run(None, {"image": np.zeros((1, 3, size, size), np.float32)})
"""


def test_a_program_that_never_closes_its_session_ends(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    command = [sys.executable, "-c", _WITHOUT_CLOSE, str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout.count("binding_ready") < 8, "what was queued is not worked off first"


def test_a_server_that_never_answers_costs_nothing_but_the_asking(tmp_path: Path) -> None:
    def gone(_request: InferRequest) -> InferResponse:
        raise ServerUnavailable("gone")

    path = chain_model(tmp_path)
    feeds = random_feeds(path)
    transport = FakeTransport(gone)
    with partway.InferenceSession(path, transport=transport) as session:
        assert not session.wait_until_ready(feeds)
        result = session.run_detailed(None, feeds)
    assert transport.closed
    assert not result.offloaded
    assert "gone" in result.reason


def test_a_server_that_is_back_is_found_while_another_shape_is_being_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dynamic_model(tmp_path)
    ready, other = random_feeds(path, {"image": (1, 3, 8, 8)}), random_feeds(path, {"image": (1, 3, 16, 16)})
    begun, go_on, asked, server = threading.Event(), threading.Event(), threading.Event(), LoopbackServer(path)

    def hold(*arguments: object, **named: object) -> object:
        begun.set()
        assert go_on.wait(60.0)
        return canonicalise(*arguments, **named)  # type: ignore[arg-type]  # as they came

    def fail(request: InferRequest) -> None:
        if request.model_name == COSTS_MODEL:
            asked.set()
        else:
            raise ServerUnavailable("nobody there")

    with partway.InferenceSession(path, transport=server, device_slowdown=200.0, prior_link=FAST_LINK) as session:
        assert session.wait_until_ready(ready)
        session.settle()
        monkeypatch.setattr("partway.client.learner.canonicalise", hold)
        session.run(None, other)
        assert begun.wait(60.0)
        server.before = fail
        assert not session.run_detailed(None, ready).offloaded
        asked.clear()
        try:
            assert asked.wait(20.0), "nobody asked while the other shape was prepared"
        finally:
            go_on.set()
