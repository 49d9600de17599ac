"""Products and what stands between them on bytes, with scales that are stored.

With pairs of QuantizeLinear and DequantizeLinear around float operators, which the runtime fuses, or with integer
operators. Activations have a scale under which a standard normal number reaches 4 on either side of zero.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from partway.zoo.graph import Attribute, Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.convolutions import fits
from partway.zoo.random_graphs.draft import IMAGE, ROWS, SEQUENCE, Draft
from partway.zoo.window import Window

_SCALE, ZERO = 1 / 32, 128
SPREAD = 30  # standard deviation of integer weights
_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A tensor of bytes and the byte that stands for 0."""

    tensor: Tensor
    zero: int


def _grid(draft: Draft, zero: int = ZERO) -> tuple[Tensor, Tensor]:
    return draft.scalar(_SCALE, _FLOAT32), draft.constant(np.array(zero, np.uint8))


def _quantise(draft: Draft, x: Tensor, zero: int = ZERO) -> _Bytes:
    return _Bytes(draft.node("QuantizeLinear", (x, *_grid(draft, zero)), x.shape, "uint8"), zero)


def _dequantise(draft: Draft, x: _Bytes) -> Tensor:
    return draft.node("DequantizeLinear", (x.tensor, *_grid(draft, x.zero)), x.tensor.shape, "float32")


def _round_trip(draft: Draft, x: Tensor) -> Tensor:
    """The pair that says: these numbers are bytes."""
    return _dequantise(draft, _quantise(draft, x))


class IntegerWeight:
    """Integer weights with one scale for all, or one for each output channel, which is their first dimension.

    Args:
        draft: the graph.
        shape: of the weights.
        fan_in: elements that each output sums over.
        axis: the output channels' dimension.
        dtype: `int8`, or `uint8` with a zero point in the middle and one scale.
    """

    def __init__(self, draft: Draft, *shape: int, fan_in: int, axis: int = 0, dtype: str = "int8") -> None:
        middle = ZERO if dtype == "uint8" else 0
        self.axis = axis
        self.channels = draft.chance(0.5) and dtype == "int8"
        sizes = (shape[axis],) if self.channels else ()
        self.steps = np.full(sizes, 1 / (SPREAD * math.sqrt(fan_in)), np.float32)
        self.values = draft.weights(*shape, deviation=SPREAD, mean=middle, dtype=dtype)
        self.scale = draft.constant(self.steps)
        self.zero = draft.constant(np.full(sizes, middle, dtype))

    def dequantised(self, draft: Draft) -> Tensor:
        """The weights as floats, for the runtime to fuse."""
        settings = {"axis": self.axis} if self.channels else {}
        operands = (self.values, self.scale, self.zero)
        return draft.node("DequantizeLinear", operands, self.values.shape, "float32", settings=settings)

    def bias(self, draft: Draft, count: int) -> Tensor:
        """An integer bias on the product's grid, as floats."""
        stored = draft.weights(count, deviation=100, dtype="int32")
        settings = {"axis": 0} if self.channels else {}
        grid = (draft.constant(self.steps * np.float32(_SCALE)), draft.constant(np.zeros(self.steps.shape, np.int32)))
        return draft.node("DequantizeLinear", (stored, *grid), (count,), "float32", settings=settings)


def _convolution(draft: Draft, x: Tensor) -> Tensor:
    """One to three convolutions in a row that stay on bytes."""
    whole = draft.chance(0.3)
    y = _quantise(draft, x)
    for _ in range(draft.pick(1, 2, 2, 3)):
        y = _quantised_conv(draft, y, whole=whole)
    return _dequantise(draft, y)


def _quantised_conv(draft: Draft, given: _Bytes, *, whole: bool) -> _Bytes:
    x = given.tensor
    how = draft.pick("dense", "dense", "pointwise", "pointwise", "depthwise")
    kernel, stride = (1, 1) if how == "pointwise" else draft.pick((3, 1), (3, 1), (3, 2), (5, 1))
    sizes = ConvSizes.draw(draft, x, kernel, stride, depthwise=how == "depthwise")
    weight = IntegerWeight(draft, *sizes.weight, fan_in=sizes.fan_in)
    if whole:
        stored = draft.weights(sizes.channels, deviation=100, dtype="int32")
        integers = (x, *_grid(draft, given.zero), weight.values, weight.scale, weight.zero, *_grid(draft), stored)
        return _Bytes(draft.node("QLinearConv", integers, sizes.shape, macs=sizes.macs, settings=sizes.settings), ZERO)
    operands = (_dequantise(draft, given), weight.dequantised(draft), weight.bias(draft, sizes.channels))
    y = draft.node("Conv", operands, sizes.shape, macs=sizes.macs, settings=sizes.settings)
    # Bytes that begin at 0 cut off what is negative, so that the runtime drops the Relu.
    return _quantise(draft, draft.activate(y, "Relu"), 0) if draft.chance(0.6) else _quantise(draft, y)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvSizes:
    """What an integer convolution is made of.

    Attributes:
        weight: shape of the weights.
        shape: of the output.
        settings: attributes.
        macs: multiply-accumulates.
    """

    weight: tuple[int, ...]
    shape: tuple[int, ...]
    settings: dict[str, Attribute]
    macs: int

    @classmethod
    def draw(cls, draft: Draft, x: Tensor, kernel: int, stride: int, *, depthwise: bool) -> "ConvSizes":
        """Sizes that the draft can afford.

        Raises:
            Unfit: there are none.
        """
        window = Window.over(x.shape[2:], kernel, stride=stride)
        draft.need(fits(window))
        inputs = x.shape[1]
        inner = 1 if depthwise else inputs
        macs_of_one = x.shape[0] * math.prod(window.sizes()) * inner * kernel * kernel
        channels = inputs if depthwise else draft.outputs(inputs, macs_of_one)
        draft.need(channels * inner * kernel * kernel <= draft.limits.kernel_elements)
        return cls(
            weight=(channels, inner, kernel, kernel),
            shape=(x.shape[0], channels, *window.sizes()),
            settings={**window.attributes(), "group": inputs if depthwise else 1},
            macs=channels * macs_of_one,
        )

    @property
    def channels(self) -> int:
        """Of the output."""
        return self.weight[0]

    @property
    def fan_in(self) -> int:
        """Elements that each output sums over."""
        return math.prod(self.weight[1:])


def _product(draft: Draft, x: Tensor) -> Tensor:
    """QGemm for a matrix, QLinearMatMul for a sequence."""
    inner = x.shape[-1]
    features = draft.outputs(inner, x.elements, high=4096 if x.rank == 2 else 2048)
    draft.need(inner * features <= draft.limits.kernel_elements)
    shape, macs = (*x.shape[:-1], features), x.elements * features
    if x.rank == 2 and draft.chance(0.7):
        weight = IntegerWeight(draft, features, inner, fan_in=inner)
        operands = (_round_trip(draft, x), weight.dequantised(draft), weight.bias(draft, features))
        return _round_trip(draft, draft.node("Gemm", operands, shape, macs=macs, transB=1))
    if draft.chance(0.3):
        weight = IntegerWeight(draft, inner, features, fan_in=inner, axis=1, dtype="uint8")
        grids = _grid(draft), _grid(draft)
        integers = (_quantise(draft, x).tensor, *grids[0], weight.values, weight.scale, weight.zero, *grids[1])
        return _dequantise(draft, _Bytes(draft.node("QLinearMatMul", integers, shape, "uint8", macs=macs), ZERO))
    weight = IntegerWeight(draft, inner, features, fan_in=inner, axis=1)
    y = draft.node("MatMul", (_round_trip(draft, x), weight.dequantised(draft)), shape, macs=macs)
    return _round_trip(draft, y)


def _between(draft: Draft, x: Tensor) -> Tensor:
    """What stands between quantised convolutions: sums, pools, concatenations, activations."""
    x = _round_trip(draft, x)
    return _round_trip(draft, draft.pick(*_BETWEEN)(draft, x))


def _sum(draft: Draft, x: Tensor) -> Tensor:
    other = _round_trip(draft, draft.activate(x, "Relu"))
    return draft.elementwise(draft.pick("Add", "Add", "Mul"), x, other)


def _pooled(draft: Draft, x: Tensor) -> Tensor:
    draft.need(x.rank == 4)
    if draft.chance(0.3):
        return draft.global_pool(x)
    draft.need(min(x.shape[2:]) > 2)
    return draft.pool(x, *draft.pick((2, 2), (3, 2), (3, 1)), kind=draft.pick("Average", "Max"))


def _joined(draft: Draft, x: Tensor) -> Tensor:
    return draft.concat(x, _round_trip(draft, draft.activate(x, "Sigmoid")), axis=1)


def _activated(draft: Draft, x: Tensor) -> Tensor:
    return draft.activate(x, draft.pick("Sigmoid", "LeakyRelu"))


def _normalised(draft: Draft, x: Tensor) -> Tensor:
    return draft.softmax(x)


_BETWEEN: tuple[Callable[[Draft, Tensor], Tensor], ...] = (
    _sum,
    _sum,
    _pooled,
    _pooled,
    _joined,
    _activated,
    _normalised,
)


QUANTISED: Mapping[str, Block] = {
    "quantised.conv": Block(build=_convolution, takes=IMAGE, share=0.6, single=True),
    "quantised.product": Block(build=_product, takes=(*ROWS, *SEQUENCE), share=0.5, single=True),
    "quantised.between": Block(build=_between, takes=(*IMAGE, *IMAGE, *SEQUENCE), share=0.3, single=True),
}
