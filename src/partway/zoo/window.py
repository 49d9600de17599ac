"""What a convolution or a pool sees of its input, and the sizes that it leaves.

In come sizes as people describe a layer (one number, or one a dimension); out come the attributes of the ONNX
operator and the sizes of the output. Called by the builder and by random graphs.
"""

from dataclasses import dataclass
from typing import Literal

Sizes = int | tuple[int, ...]
Padding = Literal["same", "valid", "upper", "causal"] | int | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Kernel, strides, dilations and padding, one entry a spatial dimension.

    Attributes:
        spatial: the input's sizes.
        kernel: positions that one output sees.
        strides: distance between outputs.
        dilations: distance between positions.
        before: padding before the first element.
        after: padding behind the last.
    """

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def over(
        cls,
        spatial: tuple[int, ...],
        kernel: Sizes,
        *,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = "same",
    ) -> "Window":
        """A window that slides over these dimensions.

        Args:
            spatial: the input's sizes, without batch and channels.
            kernel: positions, at least 1.
            stride: distance between outputs, at least 1.
            dilation: distance between positions, at least 1.
            padding: the same number on both sides, or a rule: `same` is half the kernel on both sides, as PyTorch
                users write it; `upper` is TensorFlow's SAME, outputs ceil(size / stride) and the odd one behind;
                `causal` lies before only; `valid` is none.
        """
        kernels, strides, dilations = (_each(sizes, len(spatial)) for sizes in (kernel, stride, dilation))
        reaches = [step * (positions - 1) for positions, step in zip(kernels, dilations, strict=True)]
        if isinstance(padding, str):
            sides = [_sides(padding, *place) for place in zip(spatial, reaches, strides, strict=True)]
        else:
            sides = [(pad, pad) for pad in _each(padding, len(spatial))]
        before, after = zip(*sides, strict=True)
        return cls(spatial=spatial, kernel=kernels, strides=strides, dilations=dilations, before=before, after=after)

    @property
    def extents(self) -> tuple[int, ...]:
        """How far a kernel reaches, dilation included."""
        return tuple(step * (positions - 1) + 1 for positions, step in zip(self.kernel, self.dilations, strict=True))

    def sizes(self, *, ceil: bool = False) -> tuple[int, ...]:
        """The output's sizes; none is positive where the kernel does not fit.

        Args:
            ceil: whether a last window that lies partly outside counts.
        """
        rooms = (
            size + before + after - extent
            for size, before, after, extent in zip(self.spatial, self.before, self.after, self.extents, strict=True)
        )
        return tuple(
            (room + (stride - 1 if ceil else 0)) // stride + 1 for room, stride in zip(rooms, self.strides, strict=True)
        )

    def attributes(self) -> dict[str, tuple[int, ...]]:
        """What Conv and pools have in common."""
        return {"kernel_shape": self.kernel, "strides": self.strides, "pads": (*self.before, *self.after)}


def _each(sizes: Sizes, rank: int) -> tuple[int, ...]:
    return (sizes,) * rank if isinstance(sizes, int) else sizes


def _sides(rule: Literal["same", "valid", "upper", "causal"], size: int, reach: int, stride: int) -> tuple[int, int]:
    match rule:
        case "same":
            return reach // 2, reach // 2
        case "upper":
            total = max(0, (-(-size // stride) - 1) * stride + reach + 1 - size)
            return total // 2, total - total // 2
        case "causal":
            return reach, 0
        case "valid":
            return 0, 0
