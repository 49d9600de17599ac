"""Layers of sequence models: attention, recurrences, and the normalisations between them."""

import math
from collections.abc import Mapping
from functools import partial

from partway.zoo.graph import CONTRIB, Attribute, Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import SEQUENCE, Draft

_HEADS = (1, 2, 3, 4, 6, 8, 12, 16)
_MOST_STEPS = 256  # of a recurrence, each of which waits for the one before


def _attention(draft: Draft, x: Tensor) -> Tensor:
    """Scaled dot-product attention of several heads, as exporters write it or as the runtime's own operator.

    Source: Vaswani et al., NeurIPS 2017.
    """
    features = x.shape[-1]
    choices = [heads for heads in _HEADS if features % heads == 0 and 8 <= features // heads <= 256]
    draft.need(bool(choices) and features <= 1024)
    heads = draft.pick(*choices)
    if draft.chance(0.15):
        return _whole_attention(draft, x, heads)
    if draft.chance(0.5):
        query, key, value = (draft.dense(x, features) for _ in range(3))
    else:
        query, key, value = draft.split(draft.dense(x, 3 * features), features, features, features, axis=2)
    made = _attend(draft, query, key, value, heads)
    y = draft.dense(made, features) if draft.chance(0.7) else made
    return draft.elementwise("Add", x, y) if draft.chance(0.5) else y


def _attend(draft: Draft, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    batch, steps, features = query.shape
    each = features // heads
    left, right, values = (
        draft.transpose(draft.reshape(part, batch, steps, heads, each), *order)
        for part, order in ((query, (0, 2, 1, 3)), (key, (0, 2, 3, 1)), (value, (0, 2, 1, 3)))
    )
    how = draft.pick("before", "times", "by")
    if how == "before":
        scores = draft.matmul(draft.elementwise("Mul", left, 1 / math.sqrt(each)), right)
    elif how == "times":
        scores = draft.elementwise("Mul", draft.matmul(left, right), 1 / math.sqrt(each))
    else:
        scores = draft.elementwise("Div", draft.matmul(left, right), math.sqrt(each))
    if draft.chance(0.3):
        shape = draft.pick((1, 1, steps, steps), (1, 1, 1, steps))
        scores = draft.elementwise("Add", scores, draft.weights(*shape, deviation=0.1))
    made = draft.matmul(draft.softmax(scores), values)
    return draft.reshape(draft.transpose(made, 0, 2, 1, 3), batch, steps, features)


def _whole_attention(draft: Draft, x: Tensor, heads: int) -> Tensor:
    """Attention as tools for transformers fuse it."""
    features = x.shape[-1]
    macs = 2 * x.elements * x.shape[1]
    if draft.chance(0.5):
        operands = (x, draft.kernel(features, 3 * features, fan_in=features), draft.bias(3 * features))
        macs += 3 * x.elements * features
        return draft.node("Attention", operands, x.shape, domain=CONTRIB, macs=macs, num_heads=heads)
    parts = [draft.dense(x, features) for _ in range(3)]
    return draft.node("MultiHeadAttention", parts, x.shape, domain=CONTRIB, macs=macs, num_heads=heads)


def _steps(draft: Draft) -> Tensor:
    return draft.sequence(768)


def _recurrence(draft: Draft, x: Tensor, op_type: str, gates: int) -> Tensor:
    """Steps come first: a batch of one takes another shape only, larger ones are transposed."""
    batch, steps, features = x.shape
    draft.need(steps <= _MOST_STEPS)
    directions = draft.pick(1, 1, 2)
    most = min(512.0, math.sqrt(draft.room() / (steps * batch * gates * directions)))
    hidden = draft.channels(min(16, most), most)
    shape = (steps, batch, features)
    first = draft.reshape(x, *shape) if batch == 1 else draft.transpose(x, 1, 0, 2)
    operands = recurrent_weights(draft, features, hidden, directions, gates)
    made = ((steps, directions, batch, hidden), x.dtype)
    last = ((directions, batch, hidden), x.dtype)
    settings: dict[str, Attribute] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if directions == 2 else "forward",
    }
    if op_type == "GRU" and draft.chance(0.7):
        settings["linear_before_reset"] = 1  # as PyTorch exports it
    macs = directions * gates * hidden * steps * batch * (features + hidden)
    outputs = [made, last] if draft.chance(0.3) else [made]
    y = draft.emit(op_type, (first, *operands), outputs, macs=macs, settings=settings)[0]
    if directions == 1:
        y = draft.node("Squeeze", (y, draft.constant([1])), (steps, batch, hidden))
    else:
        y = draft.reshape(draft.transpose(y, 0, 2, 1, 3), steps, batch, directions * hidden)
    return draft.transpose(y, 1, 0, 2)


def recurrent_weights(
    draft: Draft, features: int, hidden: int, directions: int, gates: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What LSTM and GRU multiply inputs and states by, and their biases."""
    return (
        draft.weights(directions, gates * hidden, features, deviation=1 / math.sqrt(features)),
        draft.weights(directions, gates * hidden, hidden, deviation=1 / math.sqrt(hidden)),
        draft.weights(directions, 2 * gates * hidden, deviation=0.1),
    )


def _short(draft: Draft) -> Tensor:
    batch = draft.pick(1, 1, 1, 2, 4, 8)
    return draft.input(batch, draft.between(1, 160), draft.channels(16, 512))


def _layer_norm(draft: Draft, x: Tensor) -> Tensor:
    y = draft.elementwise("Add", x, draft.bias(x.shape[-1])) if draft.chance(0.3) else x
    return draft.layer_norm(y, whole=draft.chance(0.5))


def _skip_layer_norm(draft: Draft, x: Tensor) -> Tensor:
    """The normalised sum of two branches, which the runtime fuses, or already has fused."""
    skip = draft.activate(x, draft.pick("Tanh", "Relu")) if draft.chance(0.5) else draft.dense(x, x.shape[-1])
    if draft.chance(0.2):
        return draft.skip_layer_norm(x, skip)
    return draft.layer_norm(draft.elementwise("Add", x, skip), whole=draft.chance(0.5))


def _root_mean_square_norm(draft: Draft, x: Tensor) -> Tensor:
    """Division by the root of the mean square. Source: Zhang and Sennrich, NeurIPS 2019."""
    scale = draft.weights(x.shape[-1], deviation=0.1, mean=1.0)
    square = draft.reduce("ReduceMean", draft.elementwise("Pow", x, 2.0), -1)
    root = draft.elementwise("Sqrt", draft.elementwise("Add", square, 1e-5))
    return draft.elementwise("Mul", draft.elementwise("Div", x, root), scale)


def _feed_forward(draft: Draft, x: Tensor) -> Tensor:
    """Two products with an activation between them, added to what went in."""
    features = x.shape[-1]
    inner = features * draft.pick(2, 3, 4, 4)
    draft.need(features <= 1024 and draft.macs + 2 * x.elements * inner <= draft.limits.macs)
    middle = draft.dense(x, inner, act=draft.pick("Gelu", "Gelu", "GeluTanh", "Relu", "Silu"))
    y = draft.dense(middle, features)
    return draft.elementwise("Add", x, y) if draft.chance(0.7) else y


def _rotary(draft: Draft, x: Tensor) -> Tensor:
    """Halves of the features turned by angles that depend on the step. Source: Su et al., 2021."""
    steps, features = x.shape[1:]
    draft.need(features % 2 == 0)
    one, other = (draft.slice(x, start, start + features // 2, axis=2) for start in (0, features // 2))
    turned = draft.concat(draft.elementwise("Neg", other), one, axis=2)
    cosine, sine = (draft.weights(steps, features, deviation=0.5) for _ in range(2))
    return draft.elementwise("Add", draft.elementwise("Mul", x, cosine), draft.elementwise("Mul", turned, sine))


SEQUENCES: Mapping[str, Block] = {
    "attention": Block(build=_attention, takes=SEQUENCE, share=3, start=_steps),
    "feed_forward": Block(build=_feed_forward, takes=SEQUENCE, share=2, start=_steps),
    "lstm": Block(build=partial(_recurrence, op_type="LSTM", gates=4), takes=SEQUENCE, share=2, start=_short),
    "gru": Block(build=partial(_recurrence, op_type="GRU", gates=3), takes=SEQUENCE, share=2, start=_short),
    "norm.layer": Block(build=_layer_norm, takes=SEQUENCE, share=1.5),
    "norm.skip": Block(build=_skip_layer_norm, takes=SEQUENCE, share=1.5),
    "norm.rms": Block(build=_root_mean_square_norm, takes=SEQUENCE, share=0.3),
    "rotary": Block(build=_rotary, takes=SEQUENCE, share=0.2),
}
