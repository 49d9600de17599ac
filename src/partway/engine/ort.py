"""ONNX Runtime behind our protocols: the only module that imports it.

Input: ONNX files or sliced graphs. Output: sessions, simplified and optimised graphs, tensor types.
Its errors become `EngineError` or `BindingError` here and nowhere else.
"""

import ctypes
import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from partway.engine.stopping import Stop
from partway.errors import BindingError, EngineError, InputError, ModelError, RunStopped
from partway.graph import TensorInfo, dtype_name
from partway.graph.tensors import element_type_of

CPU = "CPUExecutionProvider"
_EXTERNAL_FROM_BYTES = "1024"
_QUIET = 4  # errors come as exceptions, and warnings about unused initializers are of no use to anyone here

# Its exceptions have no common base; its Python wrapper raises the built-in ones.
_ERRORS: tuple[type[Exception], ...] = (
    *(
        found
        for found in vars(onnxruntime_pybind11_state).values()
        if isinstance(found, type) and issubclass(found, Exception)
    ),
    ValueError,
    TypeError,
    RuntimeError,
)
_DTYPES: Mapping[str, np.dtype] = {
    f"tensor({name})": np.dtype(dtype)
    for name, dtype in {
        "float": np.float32, "double": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
        "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
        "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
        "bool": np.bool_, "string": object, "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4,
        "float8e4m3fn": ml_dtypes.float8_e4m3fn, "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
        "float8e5m2": ml_dtypes.float8_e5m2, "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    }.items()
}  # fmt: skip


class Level(Enum):
    """How far ONNX Runtime rewrites a graph before it runs it."""

    AS_IS = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    BASIC = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    EXTENDED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ALL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeArg:
    """An input or output as onnxruntime's own sessions describe it.

    Attributes:
        name: the tensor.
        type: for instance `tensor(float)`.
        shape: a length, a symbol or None for each dimension.
    """

    name: str
    type: str
    shape: list[int | str | None]


class OrtSession:
    """A session of ONNX Runtime behind the `Session` protocol."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.input_args = tuple(_arg(value) for value in session.get_inputs())
        self.output_args = tuple(_arg(value) for value in session.get_outputs())
        self.optional_infos = tuple(_info(_arg(value)) for value in session.get_overridable_initializers())
        self.input_infos = tuple(_info(value) for value in self.input_args)
        self.output_infos = tuple(_info(value) for value in self.output_args)
        self.inputs = tuple(tensor.name for tensor in self.input_infos)
        self.outputs = tuple(tensor.name for tensor in self.output_infos)
        # Arrays of types that numpy itself does not have go in and out by address.
        self._extended = {
            tensor.name: tensor.dtype
            for tensor in (*self.input_infos, *self.output_infos)
            if tensor.dtype is not None and _is_extended(tensor.dtype)
        }

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Compute outputs by name; see `Session.run`."""
        wanted = self.outputs if outputs is None else outputs
        if not wanted:
            return {}  # the runtime would take an empty list for all
        with _translated(BindingError, stop=stop), _terminated_by(stop) as options:
            if self._extended:
                return self._run_by_address(feeds, wanted, options)
            return dict(zip(wanted, self._session.run(list(wanted), dict(feeds), options), strict=True))

    def end_profiling(self) -> None:
        """Have the runtime finish the file that it was asked to write seconds of kernels to."""
        self._session.end_profiling()

    def _run_by_address(
        self, feeds: Mapping[str, np.ndarray], wanted: tuple[str, ...], options: onnxruntime.RunOptions | None
    ) -> dict[str, np.ndarray]:
        values = {}
        for name, array in feeds.items():
            if _is_extended(array.dtype):
                plain = np.require(array, requirements="C").view(f"u{array.dtype.itemsize}")
                values[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                    plain, int(element_type_of(array.dtype))
                )
            else:
                values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        results = self._session.run_with_ort_values(list(wanted), values, options)
        return {name: self._read(name, value) for name, value in zip(wanted, results, strict=True)}

    def _read(self, name: str, value: onnxruntime.OrtValue) -> np.ndarray:
        dtype = self._extended.get(name)
        if dtype is None:
            array: np.ndarray = value.numpy()
            return array
        content = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
        return np.frombuffer(content, dtype=dtype).reshape(value.shape())


class OrtRuntime:
    """Makes sessions with one set of options.

    Args:
        threads: threads within one operator; None lets ONNX Runtime use every core.
        providers: execution providers, the preferred one first.

    Raises:
        InputError: a provider that this build of ONNX Runtime does not have.
    """

    def __init__(self, *, threads: int | None = None, providers: tuple[str, ...] = (CPU,)) -> None:
        available = onnxruntime.get_available_providers()
        for provider in providers:
            if provider not in available:
                raise InputError(
                    f"ONNX Runtime {onnxruntime.__version__} has no provider {provider!r} here; it has "
                    f"{', '.join(available)}"
                )
        self.threads = threads
        self.providers = providers

    @property
    def version(self) -> str:
        """Name and version of the runtime."""
        return f"onnxruntime {onnxruntime.__version__}"

    @property
    def machine(self) -> str:
        """A short digest of what graphs optimised here depend on: the processor and its instruction sets."""
        return hashlib.sha256("\n".join((platform.machine(), _cpu_flags())).encode()).hexdigest()[:12]

    @property
    def shares_optimised_graphs(self) -> bool:
        """Whether graphs that were optimised once can be sliced: on the CPU; other providers compile their own."""
        return self.providers == (CPU,)

    @property
    def computes_on_caller(self) -> bool:
        """Whether all that a run computes is computed on its caller's thread: on the CPU, with one thread."""
        return self.providers == (CPU,) and self.threads == 1

    def open(self, path: Path, *, level: Level = Level.ALL) -> OrtSession:
        """A plain session on a model file, as a user of ONNX Runtime would make it.

        Args:
            path: the author's own file.
            level: how far to optimise it; a user gets ALL unless they say otherwise.

        Raises:
            ModelError: the runtime cannot load it.
        """
        with _translated(ModelError, f"{path}: "):
            return OrtSession(self._start(str(path), self._options(level)))

    def load(
        self, graph: onnx.ModelProto, directory: Path, *, level: Level, prepack: bool, profile: Path | None = None
    ) -> OrtSession:
        """A session on a sliced graph whose weights lie in `directory`.

        Args:
            graph: a weight-free graph.
            directory: the folder that its references are relative to.
            level: how far to optimise it.
            prepack: whether weights may be copied into the layout that products like best.
            profile: have the runtime time every kernel, and write that to a file whose name begins so.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        options = self._options(level)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(directory))
        if not prepack:
            options.add_session_config_entry("session.disable_prepacking", "1")
        if profile is not None:
            _profile_to(options, profile)
        with _translated(EngineError):
            return OrtSession(self._start(graph.SerializeToString(), options))

    def load_whole(self, model: bytes, *, level: Level, prepack: bool, profile: Path | None = None) -> OrtSession:
        """A session on a serialised model with its weights inside.

        Args:
            model: the bytes of an ONNX file without external data.
            level: how far to optimise it.
            prepack: whether weights may be copied into the layout that products like best.
            profile: have the runtime time every kernel, and write that to a file whose name begins so.

        Raises:
            EngineError: the runtime refuses the model.
        """
        options = self._options(level)
        if not prepack:
            options.add_session_config_entry("session.disable_prepacking", "1")
        if profile is not None:
            _profile_to(options, profile)
        with _translated(EngineError):
            return OrtSession(self._start(model, options))

    def rewrite(self, model: bytes, level: Level) -> bytes:
        """A serialised model as the runtime rewrites it at a level, weights inside; in memory alone.

        Args:
            model: the bytes of an ONNX file without external data.
            level: how far to optimise it.

        Raises:
            EngineError: the runtime refuses the model, or compiles parts of it into what no file holds.
        """
        options = self._options(level)
        options.add_session_config_entry("session.disable_prepacking", "1")
        with os.fdopen(os.memfd_create("partway"), "rb") as file, _translated(EngineError):
            options.optimized_model_filepath = f"/proc/self/fd/{file.fileno()}"
            self._start(model, options)
            return file.read()

    def simplify(self, source: Path, target: Path, weights_name: str) -> None:
        """Write `source` at the BASIC level to `target`, weights to `weights_name` beside it.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        options = self._options(Level.BASIC)
        options.add_session_config_entry("session.disable_prepacking", "1")
        _save_to(options, target, weights_name)
        with _translated(EngineError):
            self._start(str(source), options)

    def optimise(self, graph: onnx.ModelProto, directory: Path, target: Path, weights_name: str) -> None:
        """Write a graph at the ALL level for this machine to `target`, weights to `weights_name` beside it.

        Args:
            graph: a weight-free graph.
            directory: the folder that its references are relative to.
            target: the file to write.
            weights_name: the file of the weights, in the layouts that this machine likes best.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        options = self._options(Level.ALL)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(directory))
        # Storing packed weights too would share them, but graphs saved so crash versions before 1.32 when they run.
        options.add_session_config_entry("session.disable_prepacking", "1")
        _save_to(options, target, weights_name)
        with _translated(EngineError):
            self._start(graph.SerializeToString(), options)

    def describe_outputs(self, graph: onnx.ModelProto, directory: Path) -> tuple[TensorInfo, ...]:
        """Types and shapes of a graph's outputs, as the runtime infers them.

        Raises:
            EngineError: the runtime refuses the graph.
        """
        return self.load(graph, directory, level=Level.AS_IS, prepack=False).output_infos

    def _options(self, level: Level) -> onnxruntime.SessionOptions:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level.value
        options.log_severity_level = _QUIET
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
        # Threads spin while a run lasts and stop at its end: many sessions live side by side here.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return options

    def _start(self, model: str | bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(model, options, providers=list(self.providers))


def _profile_to(options: onnxruntime.SessionOptions, prefix: Path) -> None:
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)


def _save_to(options: onnxruntime.SessionOptions, target: Path, weights_name: str) -> None:
    options.optimized_model_filepath = str(target)
    key = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{key}_file_name", weights_name)
    options.add_session_config_entry(f"{key}_min_size_in_bytes", _EXTERNAL_FROM_BYTES)


def _arg(value: onnxruntime.NodeArg) -> NodeArg:
    # Copied, since the runtime's own object would keep the whole session alive.
    shape = [length if isinstance(length, int | str) else None for length in value.shape or ()]
    return NodeArg(name=value.name, type=value.type, shape=shape)


def _info(value: NodeArg) -> TensorInfo:
    return TensorInfo(name=value.name, dtype=_DTYPES.get(value.type), shape=tuple(value.shape))


def _is_extended(dtype: np.dtype) -> bool:
    return dtype.kind == "V" or dtype_name(dtype).startswith(("bfloat16", "float8"))


def _cpu_flags() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


@contextmanager
def _terminated_by(stop: Stop | None) -> Iterator[onnxruntime.RunOptions | None]:
    if stop is None:
        yield None
        return
    stop.check()
    options = onnxruntime.RunOptions()
    options.log_severity_level = _QUIET
    forget = stop.on_stop(lambda: setattr(options, "terminate", True))
    try:
        yield options
    finally:
        forget()


@contextmanager
def _translated(as_type: Callable[[str], Exception], prefix: str = "", *, stop: Stop | None = None) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        if stop is not None and stop.stopped:
            raise RunStopped("the run was stopped, since nobody waits for it any more") from error
        invalid = isinstance(error, onnxruntime_pybind11_state.InvalidArgument | ValueError | TypeError)
        kind = as_type if invalid or as_type is not BindingError else EngineError
        raise kind(prefix + str(error).replace("[ONNXRuntimeError] : ", "").strip()) from error
