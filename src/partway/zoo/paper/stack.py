"""A chain of layers under construction, named and counted as in a Caffe file.

    stack = LayerStack()
    stack.images(1, 3, 227, 227)
    stack.conv("conv1", 96, 11, stride=4)
    stack.relu("relu1")
    layers, blueprint = stack.finish("alexnet")

In come images or rows, then layers, one call each; out come their records and the blueprint of the model. Called by the
paper's networks.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from partway.zoo.blueprint import Blueprint
from partway.zoo.builder import GraphBuilder
from partway.zoo.graph import ABSENT, Tensor
from partway.zoo.paper.layer import Layer, LayerKind
from partway.zoo.paper.local import locally_connected

INPUT = "data"  # as Caffe's files call it

_SEED = 2017


class LayerStack:
    """Layers on top of each other. No weights are made.

    Attributes:
        data: the input of the whole, once there is one.
    """

    def __init__(self) -> None:
        self._net = GraphBuilder(np.random.default_rng(_SEED), weightless=True)
        self._layers: list[Layer] = []
        self.data = self._top = ABSENT

    # --- What comes in ----------------------------------------------------------------------------------------

    def images(self, count: int, channels: int, height: int, width: int) -> None:
        """Images of bytes, made float32 within the model: no layer of its own, and a quarter of it to send."""
        self.data = self._net.input(count, channels, height, width, dtype="uint8", name=INPUT)
        self._top = self._net.rename(self._net.cast(self.data, "float32"), f"{INPUT}_float32")

    def rows(self, count: int, features: int) -> None:
        """Rows of float32 numbers, one an item."""
        self.data = self._top = self._net.input(count, features, name=INPUT)

    # --- Layers with weights ----------------------------------------------------------------------------------

    def conv(
        self, name: str, channels: int, kernel: int, *, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> None:
        """A convolution with a bias."""

        def make(net: GraphBuilder, x: Tensor) -> Tensor:
            return net.conv(x, channels, kernel, stride=stride, padding=padding, groups=groups)

        self._add(name, "conv", make, filter_positions=(kernel / stride) ** 2 * channels)

    def local(self, name: str, channels: int, kernel: int, *, stride: int = 1) -> None:
        """A locally connected layer: filters and biases for every position."""
        self._add(name, "local", partial(locally_connected, channels=channels, kernel=kernel, stride=stride))

    def fc(self, name: str, features: int) -> None:
        """A fully connected layer with a bias, over all that an item has."""

        def make(net: GraphBuilder, x: Tensor) -> Tensor:
            return net.dense(x if x.rank == 2 else net.flatten(x), features)

        self._add(name, "fc", make)

    # --- Layers without ---------------------------------------------------------------------------------------

    def pool(self, name: str, kernel: int, stride: int) -> None:
        """Maxima. As in Caffe a last window that lies partly outside counts."""

        def make(net: GraphBuilder, x: Tensor) -> Tensor:
            return net.pool(x, kernel, stride, ceil=True)

        self._add(name, "pool", make)

    def norm(self, name: str) -> None:
        """Local response normalisation across five channels."""
        self._add(name, "norm", lambda net, x: net.lrn(x))

    def relu(self, name: str) -> None:
        """What is above 0, else 0."""
        self._add(name, "relu", lambda net, x: net.activate(x, "Relu"))

    def sigmoid(self, name: str) -> None:
        """The logistic function."""
        self._add(name, "sigmoid", lambda net, x: net.activate(x, "Sigmoid"))

    def htanh(self, name: str) -> None:
        """SENNA's hard hyperbolic tangent: what lies within -1 and 1, else these."""
        self._add(name, "htanh", lambda net, x: net.elementwise("Clip", x, -1.0, 1.0))

    def dropout(self, name: str) -> None:
        """Nothing, where a network answers and does not learn; counted as Caffe does."""
        self._add(name, "dropout", lambda net, x: net.dropout(x))

    def softmax(self, name: str) -> None:
        """Probabilities of an item's classes."""
        self._add(name, "softmax", lambda net, x: net.softmax(x))

    def argmax(self, name: str) -> None:
        """The likeliest class of each item."""
        self._add(name, "argmax", lambda net, x: net.reduce("ArgMax", x, 1))

    # --- The end ----------------------------------------------------------------------------------------------

    def finish(self, name: str) -> tuple[tuple[Layer, ...], Blueprint]:
        """The layers, and the model whose only output is the last one's.

        Args:
            name: of the model.
        """
        return tuple(self._layers), self._net.blueprint(self._top, name=name)

    def _add(
        self,
        name: str,
        kind: LayerKind,
        make: Callable[[GraphBuilder, Tensor], Tensor],
        *,
        filter_positions: float = 0.0,
    ) -> None:
        net, below = self._net, self._top
        macs_before, weights_before = net.macs, net.described_bytes
        with net.scope(name):
            made = net.rename(make(net, below), name)
        self._top = made
        self._layers.append(
            Layer(
                name=name,
                kind=kind,
                output=self._layers[-1].output if kind == "dropout" else name,
                input_shapes=(below.shape,),
                output_shape=made.shape,
                macs=net.macs - macs_before,
                weight_bytes=net.described_bytes - weights_before,
                input_bytes=_bytes_of(below),
                output_bytes=_bytes_of(made),
                filter_positions=filter_positions,
            )
        )


def _bytes_of(tensor: Tensor) -> int:
    return tensor.elements * tensor.dtype.itemsize
