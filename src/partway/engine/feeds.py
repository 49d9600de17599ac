"""Seeded random feeds for any model's inputs: to check cuts and to time them where no real input is given."""

from collections.abc import Iterable

import numpy as np

from partway.errors import BindingError
from partway.graph import TensorInfo


def random_feeds(tensors: Iterable[TensorInfo], generator: np.random.Generator) -> dict[str, np.ndarray]:
    """An array for every tensor: standard normal numbers, any bytes, other integers 0 or 1, short strings.

    Integers stay small because they are often indices, of which 0 and 1 are nearly always valid. Bytes are none by
    ONNX's rules and mostly those of images: few of their values would make them seem easy to compress.

    Args:
        tensors: inputs with static shapes.
        generator: where the numbers come from.

    Raises:
        BindingError: an input is no tensor, or its shape is not static.
    """
    return {tensor.name: _random_array(tensor, generator) for tensor in tensors}


def _random_array(tensor: TensorInfo, generator: np.random.Generator) -> np.ndarray:
    shape = tensor.static_shape
    if shape is None or tensor.dtype is None:
        raise BindingError(
            f"input {tensor.name!r} is {tensor.describe()}, which cannot be made up; give real inputs with --input"
        )
    if tensor.dtype == np.dtype(object):
        return np.full(shape, "a", dtype=object)
    if tensor.dtype == np.uint8:
        return generator.integers(0, 256, shape, dtype=np.uint8)
    if tensor.dtype.kind in "iu" or "int" in tensor.dtype.name:
        return generator.integers(0, 2, shape).astype(tensor.dtype)
    if tensor.dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.standard_normal(shape, dtype=np.float32).astype(tensor.dtype)
