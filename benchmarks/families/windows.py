"""What a convolution or pool sees of its input, and what size it leaves.

In come sizes as a layer is described (one number, or one a dimension); out come those of the ONNX operator.
Called by the builder.
"""

from dataclasses import dataclass
from typing import Literal

Sizes = int | tuple[int, ...]
Padding = Literal["same", "valid", "upper", "causal"]


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, stride, dilation and padding, one entry a spatial dimension."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def over(
        cls, spatial: tuple[int, ...], kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Padding
    ) -> "Window":
        """A window that moves over these dimensions.

        Args:
            spatial: sizes of the input's dimensions after batch and channels.
            kernel: size of the window.
            stride: how far it moves.
            dilation: distance between what it sees.
            padding: `same` (half the kernel on both sides, as in PyTorch), `upper` (as TensorFlow's SAME: what makes
                the output ceil(size / stride), the odd one behind), `causal` (all of it before) or `valid` (none).
        """
        kernels, strides, dilations = (_each(size, len(spatial)) for size in (kernel, stride, dilation))
        pairs = [_padding(padding, *sizes) for sizes in zip(spatial, kernels, strides, dilations, strict=True)]
        before, after = zip(*pairs, strict=True)
        return cls(spatial, kernels, strides, dilations, before, after)

    def sizes(self, *, ceil: bool = False) -> tuple[int, ...]:
        """Sizes that it leaves; `ceil` counts a last window that is only partly inside."""
        made = []
        for axis, size in enumerate(self.spatial):
            room = size + self.before[axis] + self.after[axis] - self.dilation[axis] * (self.kernel[axis] - 1) - 1
            made.append((room + (self.stride[axis] - 1 if ceil else 0)) // self.stride[axis] + 1)
        return tuple(made)

    def attributes(self) -> dict[str, tuple[int, ...]]:
        """The attributes that Conv and pools have in common."""
        return {"kernel_shape": self.kernel, "strides": self.stride, "pads": (*self.before, *self.after)}


def _each(size: Sizes, rank: int) -> tuple[int, ...]:
    return (size,) * rank if isinstance(size, int) else size


def _padding(padding: Padding, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    extent = dilation * (kernel - 1)
    match padding:
        case "same":
            return extent // 2, extent // 2
        case "upper":
            total = max((-(-size // stride) - 1) * stride + extent + 1 - size, 0)
            return total // 2, total - total // 2
        case "causal":
            return extent, 0
        case "valid":
            return 0, 0
