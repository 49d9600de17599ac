"""What moves elements and computes nothing: joining, cutting, reordering, looking up, repeating."""

from collections.abc import Mapping

import numpy as np

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.convolutions import convolve
from partway.zoo.random_graphs.draft import ANY, IMAGE, SPATIAL, Draft, Kind


def _concat(draft: Draft, x: Tensor) -> Tensor:
    """Along channels: of convolutions where there are channels, as in Inception and DenseNet."""
    parts = [x]
    for _ in range(draft.pick(1, 1, 2, 3)):
        if x.rank == 4 and draft.chance(0.6):
            kernel = draft.pick(1, 1, 3)
            parts.append(convolve(draft, x, kernel, low=8, padding="same"))
        else:
            parts.append(draft.activate(x, draft.pick("Relu", "Abs", "Sigmoid")))
    if draft.chance(0.5):
        parts.reverse()
    return draft.concat(*parts, axis=1)


def _concat_last(draft: Draft, x: Tensor) -> Tensor:
    parts = [x, *(draft.activate(x, draft.pick("Relu", "Neg")) for _ in range(draft.pick(1, 1, 2)))]
    return draft.concat(*parts, axis=x.rank - 1)


def _split(draft: Draft, x: Tensor) -> Tensor:
    """Into equal or unequal parts; equal ones meet again."""
    axis = draft.pick(1, 1, x.rank - 1)
    length = x.shape[axis]
    draft.need(length >= 2)
    equal = [count for count in (2, 2, 3, 4) if length % count == 0]
    if equal and draft.chance(0.75):
        count = draft.pick(*equal)
        parts = draft.split(x, *(length // count for _ in range(count)), axis=axis)
        if draft.chance(0.5):
            return draft.elementwise("Mul", draft.activate(parts[0], "Sigmoid"), parts[1])
        return draft.concat(*reversed(parts), axis=axis)
    first = max(1, min(length - 1, round(length * draft.pick(0.25, 0.5, 0.75))))
    one, other = draft.split(x, first, length - first, axis=axis)
    return draft.concat(draft.activate(other, draft.pick("Relu", "Tanh")), one, axis=axis)


def _slice(draft: Draft, x: Tensor) -> Tensor:
    axis = draft.pick(*range(1, x.rank))
    length = x.shape[axis]
    draft.need(length >= 4)
    step = draft.pick(1, 1, 1, 2)
    start = draft.pick(0, 0, 1, length // 4)
    end = draft.pick(length, length - 1, length - 1, max(start + 2, length * 3 // 4))
    start = max(start, 1) if step == 1 and end == length else start
    return draft.slice(x, start, end, axis=axis, step=step)


def _focus(draft: Draft, x: Tensor) -> Tensor:
    """Space to channels by slices with steps, as YOLOv5 begins."""
    draft.need(all(size % 2 == 0 for size in x.shape[2:]))
    rows = [draft.slice(x, start, x.shape[2], axis=2, step=2) for start in (0, 1)]
    parts = [draft.slice(part, start, x.shape[3], axis=3, step=2) for start in (0, 1) for part in rows]
    return convolve(draft, draft.concat(*parts), 3, channels=draft.channels(16, 64), padding="same")


def _even_photograph(draft: Draft) -> Tensor:
    height, width = (2 * draft.between(16, 160) for _ in range(2))
    return draft.input(draft.batch(), draft.pick(1, 3, 3), height, width)


def _transpose(draft: Draft, x: Tensor) -> Tensor:
    """Any order that is none already; the batch mostly stays."""
    order = [int(axis) for axis in draft.generator.permutation(x.rank)]
    if draft.chance(0.9):
        order = [0, *(axis for axis in order if axis)]
    if order == sorted(order):
        order[-1], order[-2] = order[-2], order[-1]
    y = draft.transpose(x, *order)
    draft.need(y.shape[0] <= 512)
    return y


def _layout(draft: Draft, x: Tensor) -> Tensor:
    """Channels last, something done there, and channels first again, as TensorFlow's exporters leave behind."""
    last = draft.elementwise("Add", draft.transpose(x, 0, 2, 3, 1), draft.bias(x.shape[1]))
    y = draft.activate(last, draft.pick("Relu", "Sigmoid", "Tanh"))
    y = draft.layer_norm(y) if draft.chance(0.5) else draft.softmax(y)
    return draft.transpose(y, 0, 3, 1, 2)


def _shuffle(draft: Draft, x: Tensor) -> Tensor:
    """Channels of one group dealt out to others, as in ShuffleNet."""
    batch, channels, height, width = x.shape
    groups = [groups for groups in (2, 2, 3, 4, 8) if channels % groups == 0 and channels > groups]
    draft.need(bool(groups))
    count = draft.pick(*groups)
    apart = draft.reshape(x, batch, count, channels // count, height, width)
    return draft.reshape(draft.transpose(apart, 0, 2, 1, 3, 4), *x.shape)


def _tokens(draft: Draft, x: Tensor) -> Tensor:
    """An image as a sequence of its pixels."""
    draft.need(x.shape[1] > 1 and max(x.shape[2:]) > 1)
    return draft.transpose(draft.reshape(x, *x.shape[:2], -1), 0, 2, 1)


def _shapes(draft: Draft, x: Tensor) -> Tensor:
    """Other shapes of the same elements, which cost nothing but the call."""
    y = draft.activate(x, draft.pick("Relu", "Abs"))
    axes = draft.constant([1])
    shape = (x.shape[0], 1, *x.shape[1:])
    y = draft.node("Unsqueeze", (y, axes), shape)
    y = draft.node("Squeeze", (draft.activate(y, "Tanh"), axes), x.shape)
    if draft.chance(0.5):
        return draft.reshape(draft.activate(draft.reshape(y, x.shape[0], -1), "Relu"), *x.shape)
    y = draft.activate(draft.node("Flatten", (y,), (x.shape[0], x.elements // x.shape[0]), axis=1), "Relu")
    return y if x.elements <= 8192 else draft.reshape(y, *x.shape)


def _gather(draft: Draft, x: Tensor) -> Tensor:
    """Some indices of one dimension, or a single one, with which the dimension goes."""
    axis = draft.pick(*range(1, x.rank))
    length = x.shape[axis]
    if x.rank > 3 or draft.chance(0.7):
        count = draft.between(1, length)
        return draft.gather(x, draft.constant(draft.generator.integers(0, length, count)), axis=axis)
    draft.need(x.rank > 2)
    return draft.gather(x, draft.constant(np.array(draft.pick(0, length - 1), np.int64)), axis=axis)


def _embed(draft: Draft, x: Tensor) -> Tensor:
    """Rows of a table. The tokens are numbers near stored ones, so that they fall anywhere, whatever is fed."""
    features = draft.channels(64, 1024)
    rows = draft.between(32, min(60_000, draft.limits.weight_bytes / 8 / features))
    spread = draft.constant(draft.generator.integers(0, rows - 1, x.shape))
    table = draft.weights(rows, features)
    return draft.gather(table, draft.elementwise("Add", x, spread))


def _words(draft: Draft) -> Tensor:
    return draft.input(draft.batch(), draft.between(8, 512), dtype="int64")


def _expand(draft: Draft, x: Tensor) -> Tensor:
    """One row, or one pixel, repeated to the whole again."""
    axis = draft.pick(*range(1, x.rank))
    one = draft.slice(x, 0, 1, axis=axis)
    wide = draft.node("Expand", (one, draft.constant(x.shape)), x.shape)
    return draft.concat(x, wide, axis=1)


def _tile(draft: Draft, x: Tensor) -> Tensor:
    repeats = [1, *(1 for _ in x.shape[1:])]
    repeats[draft.pick(*range(1, x.rank))] = draft.pick(2, 2, 3, 4)
    shape = [size * times for size, times in zip(x.shape, repeats, strict=True)]
    return draft.node("Tile", (x, draft.constant(repeats)), shape)


SHAPES: Mapping[str, Block] = {
    "concat": Block(build=_concat, takes=SPATIAL, share=2.5),
    "concat.last": Block(build=_concat_last, takes=ANY, share=0.5),
    "split": Block(build=_split, takes=ANY, share=0.8),
    "slice": Block(build=_slice, takes=ANY, share=0.6),
    "slice.steps": Block(build=_focus, takes=IMAGE, share=0.2, start=_even_photograph, first=True),
    "transpose": Block(build=_transpose, takes=ANY, share=0.5),
    "transpose.layout": Block(build=_layout, takes=IMAGE, share=0.3),
    "transpose.shuffle": Block(build=_shuffle, takes=IMAGE, share=0.4),
    "transpose.tokens": Block(build=_tokens, takes=IMAGE, share=0.3),
    "shapes": Block(build=_shapes, takes=ANY, share=0.3),
    "gather": Block(build=_gather, takes=ANY, share=0.4),
    "gather.rows": Block(build=_embed, takes=(Kind.ROWS,), share=0.4, start=_words, first=True),
    "expand": Block(build=_expand, takes=ANY, share=0.3),
    "tile": Block(build=_tile, takes=ANY, share=0.2),
}
