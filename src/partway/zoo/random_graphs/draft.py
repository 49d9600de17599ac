"""A graph that is drawn at random, block by block: what sizes it may have and how they are spread.

Two thirds of all drafts are *usual*: channels, images and kernels as networks in use have them. The others are wide:
odd channels, odd sizes, batches, long and thin images, so that what is fitted on them holds between and beside the
usual ones. Called by the blocks of this package.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from partway.zoo.builder import GraphBuilder
from partway.zoo.graph import NOTHING_SET, Settings, Tensor

T = TypeVar("T")

_USUAL_SHARE = 0.65
_MOST_ELEMENTS = 4 << 20  # of one tensor
_MOST_WEIGHT_BYTES = 64 << 20
_MOST_MACS = 10**9
_LEAST_MACS = 10**8  # a draft may make do with
_LEAST_PRODUCT_MACS, _MOST_PRODUCT_MACS = 10**7, 10**9  # of one product
_MOST_KERNEL_ELEMENTS = 1 << 23  # of one product; products of a vector may have more

# Sides of images inside networks in use: halves of 224, 256, 299, 320 and 416, what valid padding makes of them, ...
_SIDES = (4, 5, 6, 7, 7, 8, 10, 12, 13, 14, 14, 16, 17, 19, 20, 24, 26, 27, 28, 28, 32, 35, 40, 48, 52, 54, 56, 56, 64)
_LARGE_SIDES = (72, 80, 96, 104, 112, 112, 128, 147, 150, 160, 208, 224)
_STEPS = ((8, 0.25), (16, 0.35), (32, 0.4))  # channels are multiples of one of these, so often

# What follows convolutions in networks in use, as often.
_ACTS = ("Relu",) * 8 + ("",) * 6 + ("Relu6", "Relu6", "Silu", "Silu", "LeakyRelu", "LeakyRelu", "HardSwish", "Sigmoid")
_RARE_ACTS = ("Tanh", "HardSigmoid", "HardSwishParts", "HardSwishClip", "PRelu", "Gelu", "Elu", "Mish")


class Unfit(Exception):
    """A block does not fit the tensor or the limits; whoever builds the graph takes another."""


class Kind(Enum):
    """What the dimensions of a tensor mean, and so which blocks take it."""

    IMAGE = "batch, channels, height, width"
    SIGNAL = "batch, channels, length"
    SEQUENCE = "batch, steps, features"
    ROWS = "batch, features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one draft may have.

    Attributes:
        macs: multiply-accumulates of the graph.
        weight_bytes: bytes of stored tensors.
        elements: of any tensor.
        kernel_elements: of any product's weights.
    """

    macs: int = _MOST_MACS
    weight_bytes: int = _MOST_WEIGHT_BYTES
    elements: int = _MOST_ELEMENTS
    kernel_elements: int = _MOST_KERNEL_ELEMENTS


class Draft(GraphBuilder):
    """A graph under construction that draws its own sizes and refuses what is too large.

    Args:
        generator: draws everything, in the order of the calls.
        dtype: element type of inputs and weights.
    """

    def __init__(self, generator: np.random.Generator, *, dtype: str = "float32") -> None:
        super().__init__(generator, dtype=dtype)
        self.usual = self.chance(_USUAL_SHARE)
        self.limits = Limits(macs=self.between(_LEAST_MACS, _MOST_MACS))

    def input(self, *shape: int, dtype: str | None = None, name: str | None = None) -> Tensor:
        """As the graph's own.

        Raises:
            Unfit: it is too large.
        """
        self.need(math.prod(shape) <= self.limits.elements)
        return super().input(*shape, dtype=dtype, name=name)

    def emit(
        self,
        op_type: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[tuple[Sequence[int], np.dtype]],
        *,
        domain: str = "",
        macs: int = 0,
        settings: Settings = NOTHING_SET,
    ) -> tuple[Tensor, ...]:
        """As the graph's own.

        Raises:
            Unfit: an output is empty or too large, or the graph has become so.
        """
        made = super().emit(op_type, inputs, outputs, domain=domain, macs=macs, settings=settings)
        self.need(all(0 < tensor.elements <= self.limits.elements for tensor in made))
        self.need(self.macs <= _MOST_MACS and self.weight_bytes <= self.limits.weight_bytes)
        return made

    def need(self, holds: bool) -> None:
        """Give up this block unless a condition holds.

        Raises:
            Unfit: it does not.
        """
        if not holds:
            raise Unfit

    # --- Chance -----------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        """True as often as said."""
        return bool(self.generator.random() < probability)

    def pick(self, *choices: T) -> T:
        """One of the choices, each as likely."""
        return choices[int(self.generator.integers(len(choices)))]

    def between(self, low: float, high: float) -> int:
        """A whole number from low to high, each power of two as likely as another."""
        drawn = math.exp(self.generator.uniform(math.log(low), math.log(high + 0.49)))
        return max(math.ceil(low), min(math.floor(high), round(drawn)))

    def odd(self, usual: float = 0.05, wide: float = 0.4) -> bool:
        """Whether to do what networks seldom do."""
        return self.chance(usual if self.usual else wide)

    # --- Sizes ------------------------------------------------------------------------------------------------

    def channels(self, low: float = 16, high: float = 1024) -> int:
        """How many channels or features; multiples of 8, 16 or 32 in a usual draft."""
        self.need(high >= 1)
        drawn = self.between(min(low, high), high)
        return drawn if self.odd(0.03, 0.5) else self._rounded(drawn, high)

    def outputs(self, inputs: int, macs_of_one: float, *, low: float = 16, high: float = 1024) -> int:
        """How many channels a product makes.

        Args:
            inputs: channels that it reads: as often as not, the output has a simple multiple of them.
            macs_of_one: multiply-accumulates that each output channel costs.
            low: fewest, unless the limits allow fewer only.
            high: most.

        Raises:
            Unfit: not even one can be afforded.
        """
        most = min(high, self.room() / max(1.0, macs_of_one))
        self.need(most >= 1)
        if self.chance(0.6):
            multiple = inputs * self.pick(1 / 6, 1 / 4, 1 / 2, 1.0, 1.0, 1.0, 1.0, 3 / 2, 2.0, 2.0, 4.0, 6.0)
            if min(low, most) <= multiple <= most:
                return round(multiple)
        return self.channels(low, most)

    def room(self) -> int:
        """Multiply-accumulates that one product may have, drawn within what is left of the limits."""
        left = self.limits.macs - self.macs
        self.need(left > 0)
        return min(left, self.between(_LEAST_PRODUCT_MACS, _MOST_PRODUCT_MACS))

    def _rounded(self, drawn: int, high: float) -> int:
        step = int(self.generator.choice([step for step, _ in _STEPS], p=[share for _, share in _STEPS]))
        nearest = max(step, round(drawn / step) * step)
        return nearest if nearest <= high else drawn

    def batch(self) -> int:
        """How many items at once: mostly one."""
        return self.pick(2, 2, 3, 4, 8) if self.odd(0.08, 0.4) else 1

    # --- Beginnings -------------------------------------------------------------------------------------------

    def start(self, kind: Kind) -> Tensor:
        """An input of a kind."""
        match kind:
            case Kind.IMAGE:
                return self.image()
            case Kind.SIGNAL:
                return self.signal()
            case Kind.SEQUENCE:
                return self.sequence()
            case Kind.ROWS:
                return self.input(1 if self.chance(0.6) else self.between(2, 64), self.channels(64, 4096))

    def image(self) -> Tensor:
        """An input of images as they are inside a network."""
        batch, (height, width) = self.batch(), self.sides()
        most = max(16, min(2048, self.between(2e4, 1.5e6) / (batch * height * width)))
        return self.input(batch, self.channels(max(16, most / 2), most), height, width)

    def sides(self) -> tuple[int, int]:
        """Height and width of an image inside a network."""
        if self.odd(0.0, 0.7):
            height = self.between(2, 200)
            longer = math.exp(self.generator.uniform(-1.5, 1.5)) if self.chance(0.5) else 1.0
            return height, max(2, min(512, round(height * longer)))
        side = self.pick(*_SIDES) if self.chance(0.75) else self.pick(*_LARGE_SIDES)
        if self.chance(0.8):
            return side, side
        return side, max(2, round(side * self.pick(0.5, 0.75, 1.33, 1.5, 2, 4)))

    def signal(self) -> Tensor:
        """An input of one-dimensional signals."""
        length, elements = self.between(4, 4000), self.between(1e4, 8e5)
        most = max(16, min(1024, elements / length))
        return self.input(self.batch(), self.channels(most / 2, most), length)

    def sequence(self, high: float = 1024) -> Tensor:
        """An input of sequences of up to that many features."""
        elements = self.between(6e3, 6e5)
        features = self.channels(min(elements / 4, 32), min(high, elements / 4))
        batch = self.batch()
        return self.input(batch, min(1024, max(2, round(elements / features / batch))), features)

    # --- Activations ------------------------------------------------------------------------------------------

    def act(self) -> str:
        """What follows a convolution; "" is nothing."""
        return self.pick(*_RARE_ACTS) if self.chance(0.12) else self.pick(*_ACTS)


Taken = tuple[Kind, ...]
IMAGE: Taken = (Kind.IMAGE,)
SPATIAL: Taken = (Kind.IMAGE, Kind.IMAGE, Kind.IMAGE, Kind.SIGNAL)
SEQUENCE: Taken = (Kind.SEQUENCE,)
ROWS: Taken = (Kind.ROWS,)
ANY: Taken = (Kind.IMAGE, Kind.IMAGE, Kind.IMAGE, Kind.SEQUENCE, Kind.SEQUENCE, Kind.SIGNAL, Kind.ROWS)
