"""Locally connected layers, against loops over every position."""

import numpy as np
import pytest
from onnx import numpy_helper

from partway.engine import OrtRuntime, prepare_timing
from partway.zoo import GraphBuilder
from partway.zoo.paper.local import locally_connected


def by_loops(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    _, height, width = bias.shape
    answer = np.zeros((x.shape[0], *bias.shape))
    for item, row, column in np.ndindex(x.shape[0], height, width):
        top, left = row * stride, column * stride
        seen = x[item, :, top : top + kernel, left : left + kernel].transpose(2, 1, 0).reshape(-1)
        answer[item, :, row, column] = seen @ weights[row * width + column] + bias[:, row, column]
    return answer


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, (6, 5)), (3, 2, (9, 8)), (1, 1, (2, 3)), (4, 3, (4, 9))])
def test_every_position_has_a_filter_of_its_own(kernel: int, stride: int, size: tuple[int, int]) -> None:
    net = GraphBuilder(np.random.default_rng(4))
    x = net.input(2, 3, *size)
    made = locally_connected(net, x, 4, kernel, stride)
    model = net.build(made)
    stored = (numpy_helper.to_array(tensor) for tensor in model.graph.initializer)
    weights, bias = (array for array in stored if array.dtype == np.float32)
    assert not np.array_equal(weights[0], weights[-1]) or len(weights) == 1
    feeds = {x.name: np.random.default_rng(0).standard_normal(x.shape, dtype=np.float32)}
    (answer,) = prepare_timing(model, OrtRuntime(threads=1)).plain().run(feeds).values()
    assert answer.shape == made.shape
    np.testing.assert_allclose(answer, by_loops(feeds[x.name], weights, bias, kernel, stride), rtol=1e-4, atol=1e-5)
    assert net.macs == made.elements * 3 * kernel * kernel
