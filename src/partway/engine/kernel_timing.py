"""Sessions that tell how long each kernel of a graph takes, in the company of the others.

    model -> canonical -> optimised -> a plain session: seconds of a run
                                    -> a profiled session: seconds of every kernel in every run

Input: a model with its weights inside. Output: a `TimedGraph`: the kernels that the runtime really executes, and
sessions as `PieceStore` makes them. Called by profiling.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import onnx

from partway.engine.ort import Level, OrtRuntime, OrtSession
from partway.engine.packing import packs
from partway.engine.stopping import Stop
from partway.errors import EngineError
from partway.graph import Kernel, TensorInfo, read_kernels

_NAME = "partway_kernel_{}"
_SUFFIX = "_kernel_time"  # of the profiler's events for what a node computes
_US_PER_S = 1e6


class ProfiledSession:
    """A session under ONNX Runtime's profiler.

    Args:
        session: runs the graph.
        file: what the profiler writes to.
        kernels: how many nodes the graph has.
    """

    def __init__(self, session: OrtSession, file: BinaryIO, kernels: int) -> None:
        self._session = session
        self._file = file
        self._kernels = kernels
        self.inputs = session.inputs
        self.outputs = session.outputs

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Compute outputs by name; see `Session.run`."""
        return self._session.run(feeds, outputs, stop=stop)

    def kernel_runs_s(self) -> tuple[tuple[float, ...], ...]:
        """End profiling and tell the seconds of each kernel in each run so far, in whole microseconds.

        Returns:
            For each kernel one number a run, in their order; none where the profiler does not tell of it.

        Raises:
            EngineError: what the profiler wrote cannot be read.
        """
        self._session.end_profiling()
        self._file.seek(0)
        try:
            events = msgspec.json.decode(self._file.read(), type=list[_Event])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EngineError(f"ONNX Runtime's profile cannot be read ({error}); expected its JSON events") from error
        runs_s: dict[str, list[float]] = {_NAME.format(index): [] for index in range(self._kernels)}
        for event in events:
            found = runs_s.get(event.name.removesuffix(_SUFFIX)) if event.name.endswith(_SUFFIX) else None
            if event.cat == "Node" and found is not None:
                found.append(event.dur / _US_PER_S)
        return tuple(tuple(found) for found in runs_s.values())


class TimedGraph:
    """A graph as the runtime executes it on this machine.

    Attributes:
        kernels: its nodes, in order.
        inputs: what a run is fed.
        weight_bytes: bytes of its constants.
        activation_bytes: bytes of its inputs and of all that its nodes make; unknown shapes count for nothing.
    """

    def __init__(self, graph: onnx.ModelProto, runtime: OrtRuntime, *, prepack: bool) -> None:
        name_kernels(graph)
        tensors = _tensors(graph, runtime)
        self.kernels: tuple[Kernel, ...] = read_kernels(graph, tensors)
        self.inputs: tuple[TensorInfo, ...] = tuple(tensors[value.name] for value in graph.graph.input)
        self.weight_bytes = sum(_size_bytes(tensor) for tensor in graph.graph.initializer)
        self.activation_bytes = sum(tensor.size_bytes or 0 for tensor in tensors.values())
        self._model = graph.SerializeToString()
        self._runtime = runtime
        self._prepack = prepack

    def plain(self) -> OrtSession:
        """A session as pieces run in.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        return self._runtime.load_whole(self._model, level=Level.AS_IS, prepack=self._prepack)

    @contextmanager
    def profiled(self) -> Iterator[ProfiledSession]:
        """The same under ONNX Runtime's profiler, for the time of a block.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        load = partial(self._runtime.load_whole, self._model, level=Level.AS_IS, prepack=self._prepack)
        with profile_kernels(lambda prefix: load(profile=prefix), len(self.kernels)) as session:
            yield session


def name_kernels(graph: onnx.ModelProto) -> None:
    """Name the nodes of a graph so that a `ProfiledSession` knows them again."""
    for index, node in enumerate(graph.graph.node):
        node.name = _NAME.format(index)


@contextmanager
def profile_kernels(load: Callable[[Path], OrtSession], kernels: int) -> Iterator[ProfiledSession]:
    """A session under ONNX Runtime's profiler, for the time of a block.

    Args:
        load: makes the session of a graph with named kernels; told how the name of the profiler's file begins.
        kernels: how many nodes the graph has.
    """
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        session = load(Path(folder) / "profile")
        (path,) = Path(folder).iterdir()
        file = path.open("rb")
    # The folder is gone already. The runtime and we hold the file, which ends with this process, however it ends.
    with file:
        yield ProfiledSession(session, file, kernels)


def prepare_timing(model: onnx.ModelProto, runtime: OrtRuntime) -> TimedGraph:
    """Optimise a model as the pieces of models are: simplified first, then at the highest level.

    Args:
        model: static shapes, weights inside.
        runtime: optimises and runs it.

    Raises:
        EngineError: the runtime refuses the model.
    """
    simplified = runtime.rewrite(model.SerializeToString(), Level.BASIC)
    prepack = True
    if runtime.shares_optimised_graphs:
        canonical = onnx.load_from_string(simplified)
        prepack = packs(read_kernels(canonical, _tensors(canonical, runtime)))
    return TimedGraph(onnx.load_from_string(runtime.rewrite(simplified, Level.ALL)), runtime, prepack=prepack)


class _Event(msgspec.Struct):
    cat: str = ""
    name: str = ""
    dur: float = 0.0


def _tensors(graph: onnx.ModelProto, runtime: OrtRuntime) -> Mapping[str, TensorInfo]:
    # Only the runtime knows the types of tensors in layouts of its own, and it tells those of inputs and outputs: for
    # a moment everything is an output.
    outputs = graph.graph.output
    count = len(outputs)
    names = {name for node in graph.graph.node for name in node.output if name} - {value.name for value in outputs}
    outputs.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
    marked = graph.SerializeToString()
    del outputs[count:]
    session = runtime.load_whole(marked, level=Level.AS_IS, prepack=False)
    return {tensor.name: tensor for tensor in (*session.input_infos, *session.output_infos)}


def _size_bytes(tensor: onnx.TensorProto) -> int:
    return (
        prod(int(length) for length in tensor.dims)
        * np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    )
