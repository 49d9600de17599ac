"""Products whose weights alone are stored as integers: their inputs are quantised as they come, or not at all."""

import math
from collections.abc import Mapping

import numpy as np

from partway.zoo.graph import ABSENT, CONTRIB, Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import IMAGE, ROWS, SEQUENCE, Draft
from partway.zoo.random_graphs.quantised import SPREAD, ZERO, ConvSizes, IntegerWeight

_BLOCK, _BITS = 32, 4
_MOST_STEPS = 256  # of a recurrence, each of which waits for the one before
_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)


def _dynamic(draft: Draft, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes with the scale and zero point that the input's own range gives."""
    scalar = ((), _FLOAT32)
    made = draft.emit("DynamicQuantizeLinear", (x,), [(x.shape, _UINT8), scalar, ((), _UINT8)])
    return made[0], made[1], made[2]


def _dynamic_product(draft: Draft, x: Tensor) -> Tensor:
    """A product by integer weights of a whole input that is quantised as it comes."""
    inner = x.shape[-1]
    features = draft.outputs(inner, x.elements, high=4096 if x.rank == 2 else 2048)
    draft.need(inner * features <= draft.limits.kernel_elements)
    data, scale, zero = _dynamic(draft, x)
    weight = IntegerWeight(draft, inner, features, fan_in=inner, axis=1, dtype=draft.pick("int8", "uint8"))
    shape, macs = (*x.shape[:-1], features), x.elements * features
    made = draft.node("MatMulInteger", (data, weight.values, zero, weight.zero), shape, "int32", macs=macs)
    y = draft.elementwise("Mul", draft.cast(made, "float32"), draft.elementwise("Mul", scale, weight.scale))
    return draft.elementwise("Add", y, draft.bias(features)) if draft.chance(0.8) else y


def _dynamic_convolution(draft: Draft, x: Tensor) -> Tensor:
    """A convolution of whole bytes, whose bias is added to the integers or after scaling."""
    kernel, stride = draft.pick((1, 1), (1, 1), (3, 1), (3, 1), (3, 2), (5, 1))
    sizes = ConvSizes.draw(draft, x, kernel, stride, depthwise=draft.chance(0.25))
    data, scale, zero = _dynamic(draft, x)
    weight = draft.weights(*sizes.weight, deviation=SPREAD, mean=ZERO, dtype="uint8")
    operands = (data, weight, zero, draft.constant(np.array(ZERO, np.uint8)))
    y = draft.node("ConvInteger", operands, sizes.shape, "int32", macs=sizes.macs, settings=sizes.settings)
    early = draft.chance(0.5)
    if early:
        y = draft.elementwise("Add", y, draft.weights(sizes.channels, 1, 1, deviation=100, dtype="int32"))
    step = draft.elementwise("Mul", scale, 1 / (SPREAD * math.sqrt(sizes.fan_in)))
    y = draft.elementwise("Mul", draft.cast(y, "float32"), step)
    y = y if early else draft.elementwise("Add", y, draft.weights(sizes.channels, 1, 1, deviation=0.1))
    return draft.activate(y, draft.pick("Relu", "Relu", "", "Silu"))


def _dynamic_lstm(draft: Draft, x: Tensor) -> Tensor:
    """The runtime's LSTM with integer weights, which lie transposed."""
    batch, steps, features = x.shape
    draft.need(steps <= _MOST_STEPS)
    directions = draft.pick(1, 2)
    most = min(512.0, math.sqrt(draft.room() / (steps * batch * 4 * directions)))
    hidden = draft.channels(min(8, most), most)
    zeros = [draft.constant(np.zeros(directions, np.int8)) for _ in range(2)]
    scales = [
        draft.constant(np.full(directions, 1 / (SPREAD * math.sqrt(size)), np.float32)) for size in (features, hidden)
    ]
    matrices = [
        draft.weights(directions, size, 4 * hidden, deviation=SPREAD, dtype="int8") for size in (features, hidden)
    ]
    operands = (
        draft.transpose(x, 1, 0, 2),
        *matrices,
        draft.weights(directions, 8 * hidden, deviation=0.1),
        *(ABSENT,) * 4,
        *(scales[0], zeros[0], scales[1], zeros[1]),
    )
    y = draft.node(
        "DynamicQuantizeLSTM",
        operands,
        (steps, directions, batch, hidden),
        domain=CONTRIB,
        macs=directions * 4 * hidden * steps * batch * (features + hidden),
        hidden_size=hidden,
        direction="bidirectional" if directions == 2 else "forward",
    )
    return draft.reshape(draft.transpose(y, 2, 0, 1, 3), batch, steps, directions * hidden)


def _short(draft: Draft) -> Tensor:
    return draft.input(draft.pick(1, 1, 1, 2, 4), draft.between(2, 128), draft.channels(16, 512))


def _four_bits(draft: Draft, x: Tensor) -> Tensor:
    """Weights of four bits in blocks that have a scale each, as language models have them."""
    inner = x.shape[-1]
    draft.need(inner % _BLOCK == 0)
    features = draft.outputs(inner, x.elements, high=4096)
    draft.need(inner * features <= 2 * draft.limits.kernel_elements)
    blocks = inner // _BLOCK
    packed = draft.weights(features, blocks, _BLOCK * _BITS // 8, deviation=60, mean=ZERO, dtype="uint8")
    scales = draft.weights(features * blocks, deviation=0.01 / math.sqrt(inner), mean=0.2 / math.sqrt(inner))
    settings = {"K": inner, "N": features, "bits": _BITS, "block_size": _BLOCK, "accuracy_level": draft.pick(0, 4)}
    shape, macs = (*x.shape[:-1], features), x.elements * features
    return draft.node("MatMulNBits", (x, packed, scales), shape, domain=CONTRIB, macs=macs, settings=settings)


def _features(draft: Draft) -> Tensor:
    return draft.input(1, draft.pick(1, 1, 4, 16, 64, 128), 32 * draft.between(4, 64))


QUANTISED_DYNAMICALLY: Mapping[str, Block] = {
    "quantised.dynamic_product": Block(
        build=_dynamic_product, takes=(*ROWS, *SEQUENCE, *SEQUENCE), share=0.4, single=True
    ),
    "quantised.dynamic_conv": Block(build=_dynamic_convolution, takes=IMAGE, share=0.3, single=True),
    "quantised.dynamic_lstm": Block(build=_dynamic_lstm, takes=SEQUENCE, share=0.3, start=_short, single=True),
    "quantised.four_bits": Block(build=_four_bits, takes=SEQUENCE, share=0.2, start=_features, single=True),
}
