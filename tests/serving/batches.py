"""What the tests of batching share: an executor, one model, and sessions whose seconds are told by their rows."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from tests.serving.support import PATIENCE_S, Clock

from partway.engine import Level, OrtRuntime, OrtSession, Stop
from partway.graph import Piece, Source, canonicalise
from partway.serving.background import Background
from partway.serving.batching import Batcher, TailGroup
from partway.serving.computation import Computation
from partway.serving.decoding import CodedTensor
from partway.serving.executor import Executor
from partway.serving.jobs import Served
from partway.serving.models import BoundModel

Outputs = Mapping[str, np.ndarray]


class _TimedSession(OrtSession):
    def __init__(self, session: OrtSession, runtime: "TimedRuntime") -> None:
        super().__init__(session._session)
        self._runtime = runtime

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...] | None = None, *, stop: Stop | None = None
    ) -> dict[str, np.ndarray]:
        rows = len(next(iter(feeds.values())))
        self._runtime.rows.append(rows)
        self._runtime.clock.advance(self._runtime.seconds(rows))
        return super().run(feeds, outputs, stop=stop)


class TimedRuntime(OrtRuntime):
    """ONNX Runtime whose pieces take as long as a test says.

    Attributes:
        rows: of every run so far.
        seconds: of a run, by its rows.
    """

    def __init__(self, clock: Clock, seconds: Callable[[int], float]) -> None:
        super().__init__(threads=1)
        self.clock = clock
        self.seconds = seconds
        self.rows: list[int] = []

    def load(
        self, graph: onnx.ModelProto, directory: Path, *, level: Level, prepack: bool, profile: Path | None = None
    ) -> OrtSession:
        return _TimedSession(super().load(graph, directory, level=level, prepack=prepack, profile=profile), self)


class Bench:
    """One model on one worker, with batches.

    Args:
        path: the model.
        seconds: of a run, by its rows; by default a batch of many takes little more than one.
        size: most requests that run as one.
        shapes: of its inputs.
    """

    def __init__(
        self,
        path: Path,
        *,
        seconds: Callable[[int], float] = lambda rows: 1.0 + 0.1 * rows,
        size: int = 8,
        wait_s: float = 0.0,
        shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.clock = Clock()
        self.runtime = TimedRuntime(self.clock, seconds)
        self.source = Source.open(path)
        model = canonicalise(self.source, self.source.bind(shapes), self.runtime)
        self.bound = BoundModel(model, self.runtime)
        self.executor = Executor(clock=self.clock)
        self.background = Background(partial(self.executor.wait_idle, PATIENCE_S))  # so that no clock is shared
        self.batcher = Batcher(self.runtime, self.background, clock=self.clock, size=size, wait_s=wait_s)
        self._plain = OrtRuntime(threads=1)

    def close(self) -> None:
        self.executor.close()
        self.background.close()

    def submit(
        self,
        piece: Piece,
        feeds: Outputs,
        *,
        share: str = "",
        deadline_s: float | None = None,
        coded: Mapping[str, CodedTensor] | None = None,
    ) -> Future[Served[Outputs]]:
        job = Computation(self.bound, piece, feeds, coded or {}, executor=self.executor, clock=self.clock, lead_s=0.0)
        seat = self.batcher.seat(self.source, self.bound, piece, job)
        return self.executor.submit(job.run, share=share, seat=seat, deadline_s=deadline_s)

    def hold(self) -> threading.Event:
        """Occupy the worker until the event is set."""
        held, began = threading.Event(), threading.Event()

        def wait() -> None:
            began.set()
            assert held.wait(PATIENCE_S)

        self.executor.submit(wait, share="the one who holds", expected_s=0.0)
        assert began.wait(PATIENCE_S)
        return held

    def pile(self, piece: Piece, members: Sequence[Outputs]) -> list[Outputs]:
        """The answers to requests of as many clients that waited at the same time."""
        held = self.hold()
        futures = [self.submit(piece, feeds, share=f"client-{number}") for number, feeds in enumerate(members)]
        held.set()
        answers = [future.result(PATIENCE_S).value for future in futures]
        self.executor.wait_idle(PATIENCE_S)
        self.background.wait(PATIENCE_S)
        return answers

    def prove(self, piece: Piece, make: Callable[[], Outputs], *, sizes: Sequence[int] = (2, 4, 8)) -> None:
        """Have batches of these sizes proved and timed."""
        for size in sizes:
            for _ in range(4):  # three that show the need, and one whose numbers are imitated
                self.pile(piece, [make() for _ in range(size)])

    def rest(self, piece: Piece) -> None:
        """Have no batch timed for a while, so that runs can be counted."""
        group = self.bound.groups[piece]
        assert isinstance(group, TailGroup)
        for batch in group._batches.values():
            batch.rest = 1000

    def alone(self, piece: Piece, feeds: Outputs) -> Outputs:
        """The answer of a session that no test counts."""
        return self.bound.store.session(piece).run(feeds)


def mean_model(folder: Path) -> Path:
    """Rows that each lose the mean of all rows: what no batch may do."""
    return _save(
        folder / "mean.onnx",
        [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0]), helper.make_node("Sub", ["x", "mean"], ["y"])],
    )


def largest_model(folder: Path) -> Path:
    """Rows over a hundred, but where any of all elements is larger: wrong only where rows are far apart."""
    return _save(
        folder / "largest.onnx",
        [
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Max", ["most", "hundred"], ["scale"]),
            helper.make_node("Div", ["x", "scale"], ["y"]),
        ],
        [helper.make_tensor("hundred", TensorProto.FLOAT, [], [100.0])],
    )


def quantised_model(folder: Path) -> Path:
    """Rows quantised by the range of all of them."""
    return _save(
        folder / "quantised.onnx",
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
    )


def lookup_model(folder: Path) -> Path:
    """One of three numbers for each index; others are refused by the runtime, when it runs."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["y"], axis=0)],
        "lookup",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor("table", TensorProto.FLOAT, [3], [10.0, 20.0, 30.0])],
    )
    return _store(folder / "lookup.onnx", graph)


def pick_model(folder: Path) -> Path:
    """Rows that are looked up among all rows."""
    return _store(
        folder / "pick.onnx",
        helper.make_graph(
            [helper.make_node("Gather", ["x", "which"], ["y"], axis=0)],
            "pick",
            [_value("x", ["n", 3]), _value("which", ["n"], TensorProto.INT64)],
            [_value("y", ["n", 3])],
        ),
    )


def roi_model(folder: Path) -> Path:
    """Regions of images, each of which names its image by its place among all."""
    node = helper.make_node("RoiAlign", ["image", "rois", "which"], ["y"], output_height=1, output_width=1)
    inputs = [_value("image", ["n", 1, 8, 8]), _value("rois", ["n", 4]), _value("which", ["n"], TensorProto.INT64)]
    return _store(folder / "roi.onnx", helper.make_graph([node], "roi", inputs, [_value("y", ["n", 1, 1, 1])]))


def _value(name: str, shape: Sequence[int | str], element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def _save(path: Path, nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto] = ()) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    return _store(path, helper.make_graph(list(nodes), path.stem, [x], [y], list(weights)))


def _store(path: Path, graph: onnx.GraphProto) -> Path:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
