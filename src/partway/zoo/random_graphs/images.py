"""What stands between convolutions: pools, normalisations, squeeze-and-excitation, resizing, padding."""

from collections.abc import Mapping

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.convolutions import convolve, fits
from partway.zoo.random_graphs.draft import IMAGE, SPATIAL, Draft
from partway.zoo.window import Padding, Window

_MOST_NORMALISED = 700_000  # elements, each of which takes a power; more would take a tenth of a second


def _pool(draft: Draft, x: Tensor, kind: str, **settings: bool) -> Tensor:
    kernel, stride = draft.pick((2, 2), (2, 2), (3, 2), (3, 2), (3, 1), (3, 1), (5, 1))
    if draft.odd(0.05, 0.3):
        kernel, stride = draft.pick(2, 3, 4, 5, 7, 9, 13), draft.pick(1, 1, 2, 3)
    padding: Padding = draft.pick("same", "same", "valid", "upper")
    window = Window.over(x.shape[2:], kernel, stride=stride, padding=padding)
    draft.need(fits(window))
    # A last window must begin on data, which outer padding on both sides could push it beyond.
    ceil = padding == "valid" and stride <= kernel and draft.chance(0.25)
    return draft.pool(x, kernel, stride, kind=kind, padding=padding, ceil=ceil, **settings)


def _max_pool(draft: Draft, x: Tensor) -> Tensor:
    return _pool(draft, x, "Max")


def _average_pool(draft: Draft, x: Tensor) -> Tensor:
    """Some see the whole image, as older classifiers end."""
    if x.rank == 4 and max(x.shape[2:]) <= 14 and draft.chance(0.4):
        return draft.pool(x, x.shape[2:], 1, kind="Average")
    return _pool(draft, x, "Average", count_padding=draft.chance(0.5))


def _global_pool(draft: Draft, x: Tensor) -> Tensor:
    """Its result mostly meets the image again, so that the graph may go on."""
    pooled = draft.global_pool(x, kind=draft.pick("Average", "Average", "Average", "Max"))
    return draft.elementwise(draft.pick("Sub", "Mul", "Add"), x, pooled) if draft.chance(0.8) else pooled


def _batch_norm(draft: Draft, x: Tensor) -> Tensor:
    """One that no convolution precedes, as in DenseNet, so that it stays."""
    if draft.maker(x) == "Conv":
        x = draft.concat(x, x)
    return draft.activate(draft.batch_norm(x), draft.pick("Relu", "Relu", ""))


def _instance_norm(draft: Draft, x: Tensor) -> Tensor:
    return draft.activate(draft.instance_norm(x), draft.pick("Relu", ""))


def _group_norm(draft: Draft, x: Tensor) -> Tensor:
    """As PyTorch exports it: groups as channels of one dimension, normalised one by one."""
    groups = [groups for groups in (2, 4, 8, 16, 32, 32) if x.shape[1] % groups == 0]
    draft.need(bool(groups))
    chosen = draft.pick(*groups)
    ones, zeros = draft.weights(chosen, deviation=0.0, mean=1.0), draft.weights(chosen, deviation=0.0)
    parts = draft.reshape(x, x.shape[0], chosen, -1)
    whole = draft.reshape(draft.node("InstanceNormalization", (parts, ones, zeros), parts.shape), *x.shape)
    beside = (x.shape[1], *(1 for _ in x.shape[2:]))
    scaled = draft.elementwise("Mul", whole, draft.weights(*beside, deviation=0.1, mean=1.0))
    return draft.activate(
        draft.elementwise("Add", scaled, draft.weights(*beside, deviation=0.1)), draft.pick("Silu", "")
    )


def _lrn(draft: Draft, x: Tensor) -> Tensor:
    draft.need(x.elements <= _MOST_NORMALISED)
    return draft.lrn(x, draft.pick(5, 5, 5, 3, 7))


def _squeeze_excite(draft: Draft, x: Tensor) -> Tensor:
    inner = max(4, x.shape[1] // draft.pick(4, 4, 8, 16))
    act, gate = draft.pick("Relu", "Relu", "Silu"), draft.pick("Sigmoid", "Sigmoid", "HardSigmoid")
    draft.need(x.shape[1] * inner <= draft.limits.kernel_elements)
    return draft.squeeze_excite(x, inner, act=act, gate=gate)


def _resize(draft: Draft, x: Tensor) -> Tensor:
    """Blocks of channels take whole factors, nearest and asymmetric, or linear; the rest runs plain."""
    if draft.chance(0.3) and x.rank == 4:
        x = convolve(draft, x, 1, padding="valid")
    mode = draft.pick("nearest", "nearest", "linear")
    place = draft.pick("asymmetric", "asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
    if mode == "nearest":
        place = draft.pick("asymmetric", "asymmetric", "asymmetric", "half_pixel")
    factor = draft.pick(0.5, 1.5, 3.0, 2.5) if draft.odd(0.1, 0.3) else draft.pick(2, 2, 2, 4)
    sizes = [max(1, int(size * factor)) for size in x.shape[2:]]
    return draft.resize(x, *sizes, mode=mode, place=place)


def _pad(draft: Draft, x: Tensor) -> Tensor:
    mode = draft.pick("constant", "constant", "reflect", "edge")
    before = [draft.pick(0, 1, 1, 2, 3) for _ in x.shape[2:]]
    after = [draft.pick(1, 1, 2, 3) for _ in x.shape[2:]]
    draft.need(all(size > 3 for size in x.shape[2:]))
    return draft.pad(x, (0, 0, *before), (0, 0, *after), mode=mode)


def _space_to_depth(draft: Draft, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    draft.need(height % 2 == 0 and width % 2 == 0)
    return draft.node("SpaceToDepth", (x,), (batch, channels * 4, height // 2, width // 2), blocksize=2)


def _even_image(draft: Draft) -> Tensor:
    height, width = draft.sides()
    channels = draft.channels(3, max(16, min(128, 4e5 / (height * width))))
    return draft.input(draft.batch(), channels, height + height % 2, width + width % 2)


def _depth_to_space(draft: Draft, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    factor = draft.pick(2, 2, 2, 3, 4)
    if channels % factor**2:
        made = factor**2 * draft.pick(3, 8, 16)
        x = convolve(draft, x, 3, channels=made, padding="same", act="")
        channels = made
    shape = (batch, channels // factor**2, height * factor, width * factor)
    return draft.node("DepthToSpace", (x,), shape, blocksize=factor, mode=draft.pick("DCR", "CRD"))


IMAGES: Mapping[str, Block] = {
    "pool.max": Block(build=_max_pool, takes=SPATIAL, share=2),
    "pool.average": Block(build=_average_pool, takes=SPATIAL, share=1),
    "pool.global": Block(build=_global_pool, takes=SPATIAL, share=0.7),
    "norm.batch": Block(build=_batch_norm, takes=SPATIAL, share=0.7),
    "norm.instance": Block(build=_instance_norm, takes=SPATIAL, share=0.4),
    "norm.group": Block(build=_group_norm, takes=IMAGE, share=0.4),
    "norm.lrn": Block(build=_lrn, takes=IMAGE, share=0.4),
    "se": Block(build=_squeeze_excite, takes=IMAGE, share=1.2),
    "resize": Block(build=_resize, takes=IMAGE, share=1),
    "pad": Block(build=_pad, takes=SPATIAL, share=0.8),
    "space_to_depth": Block(build=_space_to_depth, takes=IMAGE, share=0.3, start=_even_image, first=True),
    "depth_to_space": Block(build=_depth_to_space, takes=IMAGE, share=0.4),
}
