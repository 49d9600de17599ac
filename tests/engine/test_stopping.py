"""Whoever holds a `Stop` ends runs, whenever it is said."""

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from partway.engine import OrtRuntime, OrtSession, Stop
from partway.errors import RunStopped


def deep_model(path: Path) -> Path:
    """Hundreds of products one after the other: far longer than it takes to stop."""
    weight = numpy_helper.from_array(np.full((512, 512), 1e-3, np.float32), "weight")
    names = ["x", *(f"y{index}" for index in range(3000))]
    nodes = [helper.make_node("MatMul", [a, "weight"], [b]) for a, b in pairwise(names)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [256, 512]) for name in (names[0], names[-1])]
    graph = helper.make_graph(nodes, "deep", values[:1], values[1:], [weight])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture
def session(tmp_path: Path) -> OrtSession:
    return OrtRuntime(threads=1).open(deep_model(tmp_path / "deep.onnx"))


FEEDS = {"x": np.ones((256, 512), np.float32)}


def test_everybody_who_asked_is_told_once() -> None:
    stop, told = Stop(), list[str]()
    stop.on_stop(lambda: told.append("first"))
    forget = stop.on_stop(lambda: told.append("forgotten"))
    forget()
    stop.check()
    stop.stop()
    stop.stop()
    assert told == ["first"]
    assert stop.stopped
    with pytest.raises(RunStopped):
        stop.check()


def test_who_asks_after_it_was_said_is_told_at_once() -> None:
    stop, told = Stop(), list[str]()
    stop.stop()
    forget = stop.on_stop(lambda: told.append("late"))
    assert told == ["late"]
    forget()


def test_a_stop_for_several_is_said_by_the_last_of_them() -> None:
    stops = [Stop() for _ in range(3)]
    stops[0].stop()
    together = Stop.once_all(stops)
    stops[1].stop()
    assert not together.stopped
    stops[2].stop()
    assert together.stopped
    assert Stop.once_all(stops).stopped


def test_a_run_ends_in_its_middle_when_it_is_stopped(session: OrtSession) -> None:
    stop = Stop()
    timer = threading.Timer(0.05, stop.stop)
    timer.start()
    with pytest.raises(RunStopped):
        session.run(FEEDS, stop=stop)
    timer.join()


def test_a_run_that_was_stopped_before_it_began_does_not_begin(session: OrtSession) -> None:
    stop = Stop()
    stop.stop()
    with pytest.raises(RunStopped):
        session.run(FEEDS, stop=stop)


def test_a_session_goes_on_after_a_run_was_stopped(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    session, stopped, going = OrtRuntime(threads=1).open(path), Stop(), Stop()
    stopped.stop()
    feeds = {"x": np.array([-1.0, 2.0], np.float32)}
    with pytest.raises(RunStopped):
        session.run(feeds, stop=stopped)
    np.testing.assert_array_equal(session.run(feeds, stop=going)["y"], [0.0, 2.0])
    going.stop()
    np.testing.assert_array_equal(session.run(feeds)["y"], [0.0, 2.0])
