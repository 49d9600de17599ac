"""Products of matrices: a vector's by weights, a batch's, a sequence's, and those of activations with each other."""

import math
from collections.abc import Mapping

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import ROWS, SEQUENCE, Draft

_ACTS = ("", "", "", "Relu", "Relu", "Sigmoid", "Tanh")
_VOCABULARY = 20_000  # outputs of what tells characters or words
_LARGE_SHARE = 0.12  # of products by a vector whose weights leave every cache


def _gemm(draft: Draft, x: Tensor) -> Tensor:
    """Weights of a vector's product do nothing but come from memory, so their number is what is drawn."""
    rows, inner = x.shape
    if rows > 1:
        return product_by_weights(
            draft, x, draft.outputs(inner, x.elements, high=4096 if draft.chance(0.9) else _VOCABULARY)
        )
    room = (draft.limits.weight_bytes - draft.weight_bytes) / 5
    elements = draft.between(8e4, room if draft.chance(_LARGE_SHARE) else min(room, 4e6))
    most = min(4096.0, elements / inner)
    features = draft.channels(min(most, max(8, most / 4)), most)
    return product_by_weights(draft, x, features)


def product_by_weights(draft: Draft, x: Tensor, features: int) -> Tensor:
    """A matrix by stored weights, in the ways that exporters write it."""
    rows, inner = x.shape
    act = draft.pick(*_ACTS)
    draft.need(inner * features * 4 <= draft.limits.weight_bytes and draft.macs + x.elements * features <= 10**9)
    if draft.chance(0.5):
        return draft.dense(x, features, bias=draft.chance(0.85), act=act)
    weight = draft.kernel(inner, features, fan_in=inner)
    if draft.chance(0.5):
        operands = (x, weight, draft.bias(features))
        return draft.activate(draft.node("Gemm", operands, (rows, features), macs=x.elements * features), act)
    y = draft.matmul(x, weight)
    return draft.activate(draft.elementwise("Add", y, draft.bias(features)) if draft.chance(0.6) else y, act)


def _vector(draft: Draft) -> Tensor:
    return draft.input(1, draft.channels(64, 9216 if draft.chance(0.2) else 2048))


def _matrix(draft: Draft) -> Tensor:
    return draft.input(draft.between(2, 64), draft.channels(32, 4096))


def _by_weights(draft: Draft, x: Tensor) -> Tensor:
    """Every step of a sequence by the same weights; often followed by what transformers have behind it."""
    inner = x.shape[-1]
    features = draft.outputs(inner, x.elements, low=8, high=2048 if draft.chance(0.9) else _VOCABULARY)
    return draft.dense(x, features, bias=draft.chance(0.8), act=draft.pick("", "", "", "Relu", "Gelu", "Silu"))


def _steps(draft: Draft) -> Tensor:
    return draft.sequence(2048)


def _of_activations(draft: Draft, x: Tensor) -> Tensor:
    """Stacks of products as attention has them, or one of a sequence with itself."""
    batch, steps, features = x.shape
    if draft.chance(0.3):
        weight = draft.elementwise("Mul", draft.matmul(draft.transpose(x, 0, 2, 1), x), 1 / steps)
        return draft.elementwise("Mul", draft.matmul(x, weight), 1 / math.sqrt(features))
    heads = [heads for heads in (1, 2, 3, 4, 6, 8, 12, 16) if features % heads == 0]
    count = draft.pick(*heads)
    each = features // count
    apart = draft.reshape(x, batch, steps, count, each)
    left, right = draft.transpose(apart, 0, 2, 1, 3), draft.transpose(apart, 0, 2, 3, 1)
    if draft.chance(0.2):
        left = draft.slice(left, steps - 1, steps, axis=2)  # one new step looks at all others
    scores = draft.elementwise("Mul", draft.matmul(left, right), 1 / (each * steps))
    made = draft.matmul(scores, draft.transpose(apart, 0, 2, 1, 3))
    return draft.reshape(draft.transpose(made, 0, 2, 1, 3), batch, -1, features)


PRODUCTS: Mapping[str, Block] = {
    "gemm": Block(build=_gemm, takes=ROWS, share=10, start=_vector),
    "gemm.batch": Block(build=_gemm, takes=ROWS, share=3, start=_matrix),
    "matmul.weights": Block(build=_by_weights, takes=SEQUENCE, share=9, start=_steps),
    "matmul.activations": Block(build=_of_activations, takes=SEQUENCE, share=2),
}
