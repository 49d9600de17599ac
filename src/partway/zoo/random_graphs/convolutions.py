"""Convolutions of every kind that a runtime has code of its own for.

ONNX Runtime keeps channels in blocks where it can (NCHWc): 16 channels or more must be a multiple of 4, and groups
of more than one channel whole blocks; below 16, the first layer's code takes any number. All else runs plain.

Source: onnxruntime/core/optimizer/nchwc_transformer.cc; confirmed on what version 1.32 makes of such convolutions.
"""

import math
from collections.abc import Mapping

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import IMAGE, SPATIAL, Draft, Kind
from partway.zoo.window import Padding, Sizes, Window

_BLOCK, _BLOCKED_FROM, _BLOCKED_STEP = 16, 16, 4
_FIT = 0.6  # a kernel that reaches over an image by more than this sees mostly padding


def convolve(
    draft: Draft,
    x: Tensor,
    kernel: Sizes,
    *,
    stride: Sizes = 1,
    dilation: Sizes = 1,
    groups: int = 1,
    channels: int | None = None,
    low: float = 16,
    padding: Padding | None = None,
    act: str | None = None,
) -> Tensor:
    """A convolution that the draft can afford; channels, padding and activation are drawn if not given.

    Raises:
        Unfit: the kernel does not fit the image, or the limits allow no output channel.
    """
    if padding is None:
        padding = _padding(draft)
    window = Window.over(x.shape[2:], kernel, stride=stride, dilation=dilation, padding=padding)
    draft.need(fits(window))
    inner = x.shape[1] // groups
    macs_of_one = x.shape[0] * math.prod(window.sizes()) * inner * math.prod(window.kernel)
    if channels is None:
        channels = draft.outputs(x.shape[1], macs_of_one, low=low)
    draft.need(draft.macs + channels * macs_of_one <= draft.limits.macs)
    draft.need(channels * inner * math.prod(window.kernel) <= draft.limits.kernel_elements)
    act = draft.act() if act is None else act
    biased = draft.chance(0.9)
    return draft.conv(
        x,
        channels,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=padding,
        bias=biased,
        act=act,
    )


def fits(window: Window) -> bool:
    """Whether a window sees data rather than padding, as in any network worth running."""
    sees = all(
        extent == 1 or size >= extent * _FIT for size, extent in zip(window.spatial, window.extents, strict=True)
    )
    return sees and min(window.sizes()) >= 1


def _padding(draft: Draft) -> Padding:
    if draft.odd(0.06, 0.35):
        return "valid"
    return draft.pick("upper", "upper", "causal") if draft.chance(0.08) else "same"


def _kernel(draft: Draft) -> int:
    return draft.pick(2, 3, 4, 5, 6, 7, 8, 9, 10, 11) if draft.odd(0.06) else draft.pick(3, 3, 3, 3, 3, 5, 5, 7)


def _stride(draft: Draft) -> int:
    return draft.pick(1, 2, 3, 4) if draft.odd(0.03, 0.3) else draft.pick(1, 1, 1, 1, 2)


def _dense(draft: Draft, x: Tensor) -> Tensor:
    return convolve(draft, x, _kernel(draft), stride=_stride(draft))


def _pointwise(draft: Draft, x: Tensor) -> Tensor:
    return convolve(draft, x, 1, padding="valid")


def _depthwise(draft: Draft, x: Tensor) -> Tensor:
    channels = x.shape[1]
    y = convolve(draft, x, _kernel(draft), stride=_stride(draft), groups=channels, channels=channels)
    return convolve(draft, y, 1, padding="valid") if draft.chance(0.4) else y


def _grouped(draft: Draft, x: Tensor) -> Tensor:
    choices = [groups for groups in (2, 2, 2, 3, 4, 8, 16, 32) if x.shape[1] % groups == 0 and groups < x.shape[1]]
    draft.need(bool(choices))
    whole_blocks = [groups for groups in choices if x.shape[1] // groups % _BLOCK == 0]
    groups = draft.pick(*(whole_blocks if whole_blocks and draft.chance(0.6) else choices))
    kernel = 1 if draft.chance(0.2) else _kernel(draft)
    if draft.chance(0.4):
        return convolve(draft, x, kernel, stride=_stride(draft), groups=groups, channels=x.shape[1])
    each = max(1, draft.channels(16, 512) // groups)
    if groups in whole_blocks:
        each = max(_BLOCK, each // _BLOCK * _BLOCK)
    return convolve(draft, x, kernel, stride=_stride(draft), groups=groups, channels=groups * each)


def _first(draft: Draft, x: Tensor) -> Tensor:
    kernel, stride = draft.pick((3, 1), (3, 2), (3, 2), (3, 2), (5, 1), (5, 2), (6, 2), (7, 2), (7, 2), (11, 4), (4, 4))
    if draft.odd(0.1):
        kernel, stride = draft.between(1, 16), draft.pick(1, 2, 3, 4, 8)
    return convolve(draft, x, kernel, stride=stride, channels=draft.channels(8, 96))


def _photograph(draft: Draft) -> Tensor:
    channels = draft.pick(3, 3, 3, 3, 1, 1, 4, 2)
    if draft.odd(0.0, 0.6):
        return draft.input(draft.batch(), channels, draft.between(16, 512), draft.between(16, 512))
    side = draft.pick(28, 32, 48, 64, 96, 112, 128, 160, 192, 224, 224, 224, 256, 299, 320, 416)
    return draft.input(draft.batch(), channels, side, round(side * draft.pick(1, 1, 1, 0.75, 2, 4)))


def _rectangular(draft: Draft, x: Tensor) -> Tensor:
    kernel = draft.pick((1, 7), (7, 1), (1, 3), (3, 1), (1, 5), (5, 1), (2, 2), (1, 2), (2, 1), (3, 5), (5, 3), (3, 9))
    if draft.odd(0.05, 0.3):
        kernel = draft.pick(1, 2, 3, 4, 6, 8), draft.pick(1, 2, 3, 5, 9, 11)
    stride = draft.pick((1, 1), (1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (2, 2))
    if draft.chance(0.2):
        return convolve(draft, x, kernel, stride=stride, groups=x.shape[1], channels=x.shape[1])
    return convolve(draft, x, kernel, stride=stride)


def _one_dimensional(draft: Draft, x: Tensor) -> Tensor:
    kernel = draft.pick(1, 3, 3, 3, 5, 7, 8, 10, 11, 15, 31)
    stride = draft.pick(1, 1, 1, 1, 2, 2, 4, 5) if kernel > 1 else 1
    if x.shape[1] <= 2 and draft.chance(0.4):  # frames of sound, as a Fourier transform takes them
        kernel, stride = draft.pick((256, 128), (256, 64), (400, 160), (512, 128), (512, 256), (1024, 256))
        return convolve(draft, x, kernel, stride=stride, channels=kernel + 2, padding="valid", act="")
    dilation = draft.pick(2, 4, 8) if kernel > 1 and draft.chance(0.15) else 1
    if draft.chance(0.2):
        return convolve(draft, x, kernel, stride=stride, dilation=dilation, groups=x.shape[1], channels=x.shape[1])
    return convolve(draft, x, kernel, stride=stride, dilation=dilation)


def _sound(draft: Draft) -> Tensor:
    if draft.chance(0.25):
        return draft.input(draft.batch(), draft.pick(1, 1, 1, 2), draft.between(400, 32_000))
    return draft.signal()


def _dilated(draft: Draft, x: Tensor) -> Tensor:
    groups = x.shape[1] if draft.chance(0.2) else 1
    kernel = draft.pick(3, 3, 3, 5, 2)
    return convolve(
        draft,
        x,
        kernel,
        dilation=draft.pick(2, 2, 3, 4, 6, 12),
        groups=groups,
        channels=x.shape[1] if groups > 1 else None,
        padding="same",
    )


def _strided(draft: Draft, x: Tensor) -> Tensor:
    kernel = draft.pick(1, 1, 1, 3, 3, 3, 5)
    return convolve(draft, x, kernel, stride=2, padding="valid" if kernel == 1 else None)


def _residual(draft: Draft, x: Tensor) -> Tensor:
    """Both operands of the sum come from convolutions, so that they lie in blocks of channels and fuse."""
    if draft.maker(x) != "Conv" or not _is_blocked(x):
        x = convolve(draft, x, draft.pick(1, 1, 3), padding="same", act="Relu")
        draft.need(_is_blocked(x))
    channels = x.shape[1]
    y = x
    if draft.chance(0.4):
        narrow = max(16, channels // draft.pick(1, 2, 4, 4) // 4 * 4)
        y = convolve(draft, y, draft.pick(1, 3), channels=narrow, padding="same", act="Relu")
    y = convolve(draft, y, draft.pick(1, 1, 3), channels=channels, padding="same", act="")
    operands = (y, x) if draft.chance(0.5) else (x, y)
    return draft.activate(draft.elementwise("Add", *operands), draft.pick("Relu", "Relu", "", "Silu"))


def _is_blocked(x: Tensor) -> bool:
    """Whether the runtime can keep these channels in blocks."""
    return x.rank == 4 and x.shape[1] >= _BLOCKED_FROM and x.shape[1] % _BLOCKED_STEP == 0


def _plain(draft: Draft, x: Tensor) -> Tensor:
    """A convolution that cannot run on blocks of channels: an odd number of them, or small groups."""
    channels = x.shape[1]
    kernel = draft.pick(1, 1, 3, 3, 3, 5)
    if channels > _BLOCKED_FROM and channels % _BLOCKED_STEP:
        if draft.chance(0.25):
            return convolve(draft, x, kernel, stride=_stride(draft), groups=channels, channels=channels)
        made = draft.outputs(channels, x.elements * kernel**2)
        return convolve(draft, x, kernel, stride=_stride(draft), channels=made | draft.pick(0, 1, 1, 2))
    groups = [groups for groups in (4, 8, 16, 32, 64) if channels % groups == 0 and 1 < channels // groups < 16]
    draft.need(bool(groups))
    return convolve(draft, x, kernel, stride=_stride(draft), groups=draft.pick(*groups), channels=channels)


def _unaligned(draft: Draft) -> Tensor:
    height, width = draft.sides()
    most = max(17.0, min(512.0, draft.between(2e4, 8e5) / (height * width)))
    channels = draft.between(17, most)
    if draft.chance(0.4):
        return draft.input(draft.batch(), max(32, channels // 32 * 32), height, width)  # for small groups
    return draft.input(draft.batch(), channels if channels % _BLOCKED_STEP else channels + 1, height, width)


def _transpose(draft: Draft, x: Tensor) -> Tensor:
    kernel, stride, padding = draft.pick((2, 2, 0), (2, 2, 0), (4, 2, 1), (4, 2, 1), (3, 2, 1), (3, 1, 1), (5, 2, 2))
    if x.rank == 3 and draft.chance(0.5):
        kernel, stride, padding = draft.pick((16, 8, 4), (8, 4, 2), (10, 5, 2))
    if draft.odd(0.05, 0.25):
        kernel, stride, padding = draft.between(1, 8), draft.pick(1, 2, 3), 0
    channels = x.shape[1]
    if draft.chance(0.2):
        return draft.conv_transpose(x, channels, kernel, stride=stride, groups=channels, padding=padding)
    made = draft.outputs(channels, x.elements * kernel ** (x.rank - 2), low=1, high=256)
    draft.need(channels * made * kernel ** (x.rank - 2) <= draft.limits.kernel_elements)
    return draft.conv_transpose(x, made, kernel, stride=stride, padding=padding)


def _small(draft: Draft) -> Tensor:
    """Something to enlarge."""
    if draft.chance(0.25):
        return draft.input(1, draft.channels(16, 256), draft.between(8, 500))
    side = draft.pick(4, 7, 8, 10, 13, 14, 16, 20, 28, 32, 40)
    return draft.input(draft.batch(), draft.channels(16, max(16, min(512, 2e5 / side**2))), side, side)


CONVOLUTIONS: Mapping[str, Block] = {
    "conv.dense": Block(build=_dense, takes=IMAGE, share=9),
    "conv.pointwise": Block(build=_pointwise, takes=IMAGE, share=9),
    "conv.depthwise": Block(build=_depthwise, takes=IMAGE, share=5),
    "conv.grouped": Block(build=_grouped, takes=IMAGE, share=2),
    "conv.first": Block(build=_first, takes=IMAGE, share=2.5, start=_photograph, first=True),
    "conv.rectangular": Block(build=_rectangular, takes=IMAGE, share=2),
    "conv.1d": Block(build=_one_dimensional, takes=(Kind.SIGNAL,), share=8, start=_sound),
    "conv.dilated": Block(build=_dilated, takes=IMAGE, share=0.8),
    "conv.strided": Block(build=_strided, takes=IMAGE, share=2),
    "conv.residual": Block(build=_residual, takes=IMAGE, share=3),
    "conv.transpose": Block(build=_transpose, takes=SPATIAL, share=0.8, start=_small),
    "conv.plain": Block(build=_plain, takes=IMAGE, share=2, start=_unaligned, first=True),
}
