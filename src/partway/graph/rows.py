"""Whether the rows of a piece are computed apart: what one request's rows give depends on none of another's.

    {x: [n, ...]} -> Conv -> Relu -> Reshape [n, k] -> Gemm -> {y: [n, ...]}      each keeps to the rows: yes
                     ReduceMean over axis 0, Gather of rows by rows, LSTM, If     does not, or nobody knows: no

Every tensor that is made from the piece's inputs is followed through the graph. Its first dimension is the rows', or
a multiple of it, in their order; each operator must keep it so, by the rule that stands for it in the table. What is
not in the table is refused, so a gap in it costs a batch and never an answer. Input: the graph of several rows, a
piece. Output: a reason against it, or none. Pure but for reading small constants. Called by the batcher.

Source: the operators' definitions, https://onnx.ai/onnx/operators/
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import numpy_helper

from partway.errors import CutError
from partway.graph.cuts import Piece
from partway.graph.model import Model
from partway.graph.slicing import Slicer

_MOST_READ = 1 << 20  # elements of a constant that is read to see whether its rows are alike


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operand:
    shape: tuple[int, ...]
    of_rows: bool  # made from the piece's inputs; else a constant
    value: onnx.TensorProto | None = None
    folder: str = ""

    def read(self) -> np.ndarray | None:
        """The constant; None where it is computed, or too large to look at."""
        if self.value is None or prod(self.shape) > _MOST_READ:
            return None
        array: np.ndarray = numpy_helper.to_array(self.value, base_dir=self.folder)
        return array

    def is_alike(self, rank: int) -> bool:
        """Whether a constant that is broadcast to so many dimensions is the same for every row."""
        if len(self.shape) != rank or not rank or self.shape[0] == 1:
            return len(self.shape) <= rank
        array = self.read()
        return array is not None and bool((array == array[:1]).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One node: its operands in order, None for one that is left out, and the shape of its first output."""

    node: onnx.NodeProto
    operands: tuple[_Operand | None, ...]
    made: tuple[int, ...]

    @property
    def there(self) -> list[_Operand]:
        return [operand for operand in self.operands if operand is not None]

    def attribute(self, name: str) -> object:
        found = next((item for item in self.node.attribute if item.name == name), None)
        return None if found is None else onnx.helper.get_attribute_value(found)

    def axis(self, default: int, rank: int) -> int:
        axis = self.attribute("axis")
        return (axis if isinstance(axis, int) else default) % max(rank, 1)

    def numbers(self, position: int, attribute: str) -> list[float] | None:
        """A setting that older operators have as an attribute and newer ones as a constant input."""
        given = self.attribute(attribute)
        if given is None and position < len(self.operands) and (operand := self.operands[position]) is not None:
            given = operand.read()
        return None if given is None else [float(number) for number in np.ravel(np.asarray(given))]


Rule = Callable[[_Step], str | None]


def row_independent(model: Model, piece: Piece) -> str | None:
    """Why the rows of a piece may depend on each other; None where it is proved that they do not.

    Args:
        model: the graph, bound to two rows or more.
        piece: of that graph; what it is fed shares the first dimension.
    """
    lengths = {shape[0] if (shape := _shape(model, name)) else None for name in piece.inputs}
    rows = lengths.pop() if len(lengths) == 1 else None
    if rows is None or rows < 2:
        return "what it is fed does not share a first dimension of two rows or more"
    try:
        chosen = Slicer(model.graph, model.tensors).select(piece).nodes
    except CutError as error:
        return str(error)
    of_rows = set(piece.inputs)
    constants = {tensor.name: tensor for tensor in model.graph.graph.initializer}
    for index in sorted(chosen):
        node = model.graph.graph.node[index]
        if (reason := _judge(model, node, of_rows, constants, rows)) is not None:
            return f"{node.op_type} {node.output[0]!r}: {reason}"
    constant = next((name for name in piece.outputs if name not in of_rows), None)
    return None if constant is None else f"output {constant!r} does not depend on what is fed"


def _judge(
    model: Model, node: onnx.NodeProto, of_rows: set[str], constants: dict[str, onnx.TensorProto], rows: int
) -> str | None:
    # What is wrong with a node; if nothing is, its outputs join `of_rows` where it reads something of them.
    rule = _RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rule is None:
        return "it is not known to keep rows apart"
    operands: list[_Operand | None] = []
    for name in node.input:
        if not name:
            operands.append(None)
            continue
        stored = constants.get(name)
        shape = tuple(stored.dims) if stored is not None else _shape(model, name)
        if shape is None:
            return f"the shape of {name!r} is not known"
        folder = str(model.entry.directory)
        operands.append(_Operand(shape=shape, of_rows=name in of_rows, value=stored, folder=folder))
    if not any(operand.of_rows for operand in operands if operand is not None):
        return None  # a constant: nothing in the table is random
    made = [_shape(model, name) for name in node.output if name]
    if any(not shape or shape[0] < rows or shape[0] % rows for shape in made):
        return "what it makes has no such rows"
    if (reason := rule(_Step(node=node, operands=tuple(operands), made=made[0] or ()))) is not None:
        return reason
    of_rows.update(name for name in node.output if name)
    return None


def _shape(model: Model, name: str) -> tuple[int, ...] | None:
    return model.tensors[name].static_shape if name in model.tensors else None


def _each(step: _Step) -> str | None:
    """Element by element, broadcast as numpy does."""
    if step.attribute("broadcast") is not None:
        return "it broadcasts in the way of operator sets before 7"
    for operand in step.there:
        if operand.of_rows and (len(operand.shape) != len(step.made) or operand.shape[0] != step.made[0]):
            return "rows are broadcast along another dimension"
        if not operand.of_rows and not operand.is_alike(len(step.made)):
            return "a constant is not known to be the same for every row"
    return None


def _settings(step: _Step) -> str | None:
    """What rows are fed comes first; all else is constant."""
    first, *others = step.operands
    if first is None or not first.of_rows:
        return "a setting or weight is made of rows"
    if any(operand is not None and operand.of_rows for operand in others):
        return "a setting or weight depends on what is fed"
    return None


def _rows_kept(step: _Step) -> str | None:
    """The same, and as many rows come out as go in."""
    if (reason := _settings(step)) is not None:
        return reason
    return None if step.there[0].shape[0] == step.made[0] else "it changes the number of rows"


def _images(step: _Step) -> str | None:
    """Convolutions, pooling and the like: one image after the other."""
    if len(step.there[0].shape) < 3:
        return "it is fed fewer than three dimensions"
    if len([name for name in step.node.output if name]) > 1:  # indices of maxima count through all rows
        return "it has more than one output"
    return _rows_kept(step)


def _batch_norm(step: _Step) -> str | None:
    if step.attribute("training_mode") or len([name for name in step.node.output if name]) > 1:
        return "it normalises by the statistics of all rows"
    return _rows_kept(step)


def _stretched(step: _Step) -> str | None:
    return _rows_kept(step) if len(step.there[0].shape) == len(step.made) else "it adds dimensions"


def _along(default: int) -> Rule:
    """Along the axis that an attribute names, which must not be the rows'."""

    def rule(step: _Step) -> str | None:
        if not step.axis(default, len(step.there[0].shape)):
            return "it works along the rows"
        return _rows_kept(step)

    return rule


def _over(position: int) -> Rule:
    """Over the axes that an attribute or a constant input names, none of them the rows'."""

    def rule(step: _Step) -> str | None:
        axes = step.numbers(position, "axes")
        if not axes:
            return "its axes are not named by constants"
        if any(axis % len(step.there[0].shape) == 0 for axis in axes):
            return "it works along the rows"
        return _rows_kept(step)

    return rule


def _layer_norm(step: _Step) -> str | None:
    rank = len(step.there[0].shape)
    if not all(operand.is_alike(rank) for operand in step.there[1:]):
        return "a constant is not known to be the same for every row"
    return _along(-1)(step)


def _transpose(step: _Step) -> str | None:
    order = step.attribute("perm")
    return _rows_kept(step) if isinstance(order, list) and order[0] == 0 else "it moves the rows' axis"


def _concat(step: _Step) -> str | None:
    rank = len(step.made)
    if not step.axis(0, rank):
        return "it works along the rows"
    for operand in step.there:
        if operand.shape[0] != step.made[0] or not (operand.of_rows or operand.is_alike(rank)):
            return "a constant is not known to be the same for every row"
    return None


def _gather(step: _Step) -> str | None:
    """Rows that look up constants, or constant places in each row."""
    data, indices = step.there
    axis = step.axis(0, len(data.shape))
    if data.of_rows and indices.of_rows:
        return "rows are looked up in rows"
    if (axis == 0) == data.of_rows:
        return "it works along the rows"
    return None


def _gather_elements(step: _Step) -> str | None:
    data, indices = step.there
    if not step.axis(0, len(data.shape)):
        return "it works along the rows"
    if not data.of_rows or data.shape[0] != indices.shape[0]:
        return "rows are not looked up in themselves"
    return None if indices.of_rows or indices.is_alike(len(data.shape)) else "its places differ from row to row"


def _gemm(step: _Step) -> str | None:
    first, second, *added = step.there
    if step.attribute("transA") or not first.of_rows or second.of_rows:
        return "it does not multiply rows by constants"
    for operand in added:
        if operand.of_rows and (len(operand.shape) != 2 or operand.shape[0] != step.made[0]):
            return "rows are broadcast along another dimension"
        if not operand.of_rows and not operand.is_alike(2):
            return "a constant is not known to be the same for every row"
    return None


def _product(left: int, right: int, *single: int) -> Rule:
    """A matrix product, the rows in its leading dimension; `single` are settings that must be one number."""

    def rule(step: _Step) -> str | None:
        first, second = step.operands[left], step.operands[right]
        if first is None or second is None:
            return "an operand is left out"
        for position, operand in enumerate(step.operands):
            if operand is None or position in (left, right):
                continue
            if operand.of_rows or (position in single and prod(operand.shape) != 1):
                return "a setting is not one constant number"
        # Of the second operand the two last dimensions are no rows: one is summed over.
        for operand, least in ((first, 2), (second, 3)):
            if operand.of_rows:
                fits = least <= len(operand.shape) == len(step.made) and operand.shape[0] == step.made[0]
                if not fits:
                    return "rows are not its leading dimension"
            elif len(operand.shape) == len(step.made) >= 3 and not operand.is_alike(len(step.made)):
                return "a constant is not known to be the same for every row"
        return None

    return rule


def _quantise(step: _Step) -> str | None:
    scale = step.there[1]
    if prod(scale.shape) != 1 and (len(scale.shape) != 1 or not step.axis(1, len(step.there[0].shape))):
        return "its scales differ from row to row"
    return _rows_kept(step)


def _slice(step: _Step) -> str | None:
    starts, axes, steps = step.numbers(1, "starts"), step.numbers(3, "axes"), step.numbers(4, "steps")
    if starts is None:
        return "what it takes is not named by constants"
    named = list(range(len(starts))) if axes is None and len(step.operands) < 4 else axes
    strides = [1.0] * len(starts) if steps is None and len(step.operands) < 5 else steps
    if named is None or strides is None or not len(starts) == len(named) == len(strides):
        return "what it takes is not named by constants"
    for axis, start, stride in zip(named, starts, strides, strict=True):
        if axis % len(step.there[0].shape) == 0 and (start, stride) != (0.0, 1.0):
            return "it works along the rows"
    return _rows_kept(step)


def _pad(step: _Step) -> str | None:
    rank = len(step.there[0].shape)
    pads = step.numbers(1, "pads")
    axes = step.numbers(3, "axes") if len(step.operands) > 3 else [float(axis) for axis in range(rank)]
    if pads is None or axes is None or len(pads) != 2 * len(axes):
        return "what it adds is not named by constants"
    around = zip([*axes, *axes], pads, strict=True)
    return "it works along the rows" if any(axis % rank == 0 and pad for axis, pad in around) else _rows_kept(step)


def _resize(step: _Step) -> str | None:
    """Only what leaves the rows' axis as it is, and does not weigh a neighbour with zero: zero of infinity is NaN."""
    rank = len(step.there[0].shape)
    if step.attribute("mode") not in (None, b"nearest") and rank < 4:
        return "it interpolates between rows"
    if step.attribute("coordinate_transformation_mode") == b"tf_crop_and_resize":
        return "it crops"
    if step.attribute("keep_aspect_ratio_policy") not in (None, b"stretch"):
        return "one scale holds for all its axes"
    axes = step.attribute("axes")
    named = axes if isinstance(axes, list) else list(range(rank))
    upsample = step.node.op_type == "Upsample"
    scales = step.numbers(1 if upsample else 2, "scales")
    sizes = None if upsample else step.numbers(3, "sizes")
    wanted, kept = (scales, 1.0) if scales else (sizes, float(step.there[0].shape[0]))
    if not wanted or len(wanted) != len(named):
        return "its scales are not named by constants"
    if any(axis % rank == 0 and number != kept for axis, number in zip(named, wanted, strict=True)):
        return "it works along the rows"
    return _rows_kept(step)


_ELEMENTWISE = (
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "Cast", "Ceil", "Celu", "Clip",
    "Cos", "Cosh", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid",
    "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish",
    "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
)  # fmt: skip
_IMAGES = (
    "AveragePool", "Conv", "ConvInteger", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalLpPool",
    "GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "LpPool", "MaxPool", "QLinearConv",
    "SpaceToDepth",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip

_RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _each),
    **dict.fromkeys(_IMAGES, _images),
    **dict.fromkeys(_REDUCTIONS, _over(1)),
    # The elements stay in order, so what has rows again, which is asked of every output, has the same.
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _settings),
    **dict.fromkeys(("ArgMax", "ArgMin", "Split"), _along(0)),
    **dict.fromkeys(("Hardmax", "LogSoftmax", "LpNormalization", "Softmax", "TopK"), _along(-1)),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _layer_norm),
    **dict.fromkeys(("Expand", "Tile"), _stretched),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), _quantise),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "BatchNormalization": _batch_norm,
    "Concat": _concat,
    "CumSum": _over(1),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Gemm": _gemm,
    "MatMul": _product(0, 1),
    "MatMulInteger": _product(0, 1, 2),
    "MeanVarianceNormalization": _over(1),
    "Pad": _pad,
    "QLinearMatMul": _product(0, 3, 1, 2),
    "Slice": _slice,
    "Transpose": _transpose,
}
