"""Locally connected layers in standard ONNX operators.

In come a graph under construction and a tensor of images; out comes what a convolution would make if every position had
filters of its own. Called by the stack that the paper's networks are built on.
"""

from partway.zoo.builder import GraphBuilder
from partway.zoo.graph import Tensor
from partway.zoo.window import Window


def locally_connected(net: GraphBuilder, x: Tensor, channels: int, kernel: int, stride: int = 1) -> Tensor:
    """A layer whose outputs each have a filter and a bias of their own, without padding.

    What each position sees is laid out as a row, by slices along the rows of the image and then along its columns, and
    multiplied with the matrix of that position: [batch, positions, 1, patch] x [positions, patch, channels]. A patch is
    in the order column, row, input channel. The batch stays in front, so that its items are computed apart.

    Args:
        net: the graph.
        x: [batch, input channels, height, width].
        channels: filters at each position.
        kernel: height and width of what a position sees.
        stride: distance between positions.

    Source: Taigman et al., DeepFace, CVPR 2014, section 3.1.
    """
    batch, inner, *spatial = x.shape
    height, width = Window.over(tuple(spatial), kernel, stride=stride, padding="valid").sizes()
    positions, patch = height * width, kernel * kernel * inner
    down, along = stride * (height - 1) + 1, stride * (width - 1) + 1
    strips = net.concat(*(net.slice(x, row, row + down, axis=2, step=stride) for row in range(kernel)))
    patches = net.concat(*(net.slice(strips, left, left + along, axis=3, step=stride) for left in range(kernel)))
    rows = net.transpose(net.reshape(patches, batch, patch, positions, 1), 0, 2, 3, 1)
    made = net.matmul(rows, net.kernel(positions, patch, channels, fan_in=patch))
    images = net.reshape(net.transpose(made, 0, 3, 1, 2), batch, channels, height, width)
    return net.elementwise("Add", images, net.weights(channels, height, width, deviation=0.1))
