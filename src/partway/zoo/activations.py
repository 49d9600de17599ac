"""Activations as exporters spell them: one operator, or the several that a runtime fuses again.

In come a graph under construction, a tensor and a name; out comes the activated tensor. Called by `GraphBuilder`.
"""

import math
from collections.abc import Callable, Mapping

from partway.zoo.graph import Graph, Tensor


def activation(net: Graph, x: Tensor, kind: str) -> Tensor:
    """An activation by its name in `ACTIVATIONS`, else the unary operator of that name; "" is none."""
    if not kind:
        return x
    spelled = ACTIVATIONS.get(kind)
    return net.elementwise(kind, x) if spelled is None else spelled(net, x)


def _relu6(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("Clip", x, 0.0, 6.0)


def _silu(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("Mul", x, net.elementwise("Sigmoid", x))


def _hard_sigmoid(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("HardSigmoid", x, alpha=1 / 6)


def _hard_swish_parts(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("Mul", x, _hard_sigmoid(net, x))


def _hard_swish_clip(net: Graph, x: Tensor) -> Tensor:
    gate = net.elementwise("Clip", net.elementwise("Add", x, 3.0), 0.0, 6.0)
    return net.elementwise("Div", net.elementwise("Mul", x, gate), 6.0)


def _leaky_relu(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("LeakyRelu", x, alpha=0.1)


def _prelu(net: Graph, x: Tensor) -> Tensor:
    slopes = net.weights(x.shape[1], *(1 for _ in x.shape[2:]), deviation=0.05, mean=0.25)
    return net.node("PRelu", (x, slopes), x.shape)


def _gelu(net: Graph, x: Tensor) -> Tensor:
    error = net.elementwise("Erf", net.elementwise("Div", x, math.sqrt(2)))
    return net.elementwise("Mul", net.elementwise("Mul", x, net.elementwise("Add", error, 1.0)), 0.5)


def _gelu_tanh(net: Graph, x: Tensor) -> Tensor:
    cubed = net.elementwise("Mul", net.elementwise("Pow", x, 3.0), 0.044715)
    inner = net.elementwise("Mul", net.elementwise("Add", x, cubed), math.sqrt(2 / math.pi))
    gate = net.elementwise("Add", net.elementwise("Tanh", inner), 1.0)
    return net.elementwise("Mul", net.elementwise("Mul", x, 0.5), gate)


def _mish(net: Graph, x: Tensor) -> Tensor:
    return net.elementwise("Mul", x, net.elementwise("Tanh", net.elementwise("Softplus", x)))


ACTIVATIONS: Mapping[str, Callable[[Graph, Tensor], Tensor]] = {
    "Relu6": _relu6,
    "Silu": _silu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwishParts": _hard_swish_parts,  # what it is before opset 14
    "HardSwishClip": _hard_swish_clip,  # how PaddlePaddle writes it
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Gelu": _gelu,
    "GeluTanh": _gelu_tanh,
    "Mish": _mish,
}
