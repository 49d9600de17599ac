"""Features of matrix products and recurrent layers.

A product with one row reads each weight once, so bytes decide, and where they come from. One with more rows runs in
tiles of rows and columns, packs a right factor that is no constant first, and reads its weights once per tile of rows.

Source: what onnxruntime/core/mlas/lib/sgemm.cpp loops over.
"""

import math
from math import prod

from partway.graph import Kernel, Operand
from partway.prediction.features.record import Features, activation, number, weighted_traffic

_TILE_ROWS = 12
_TILE_COLUMNS = 32
_DEPTH = 128  # of the summed dimension, between two passes over the output


def product(kernel: Kernel, left_index: int = 0, right_index: int = 1) -> Features | None:
    """Features of a matrix product in any of its forms; None where a shape is not known.

    Args:
        kernel: what multiplies.
        left_index: which input is the left factor.
        right_index: which is the right one.
    """
    left, right = _operand(kernel, left_index), _operand(kernel, right_index)
    output = kernel.outputs[0]
    if left is None or right is None or not left.shape or not right.shape or output.shape is None:
        return None
    depth = _depth(kernel, left.shape)
    columns = output.shape[-1] if output.shape else 1
    rows = output.shape[-2] if len(output.shape) > 1 else 1
    batch = max(1, output.elements // max(1, rows * columns))
    if prod(right.shape[:-2]) == 1 and batch > 1:
        rows, batch = rows * batch, 1  # one right factor for all: a single product
    transposed = bool(number(kernel, "transB", 0))
    single = rows == 1
    variant = ".".join(
        (
            _NAMES.get(kernel.op_type, kernel.op_type),
            "one_row" if single else "rows",
            "weights" if right.constant else "activations",
            *(("transposed",) if transposed and (single or not right.constant) else ()),
            *(() if left.dtype == "float32" else (left.dtype,)),
        )
    )
    row_tiles, column_tiles = math.ceil(rows / _TILE_ROWS), math.ceil(columns / _TILE_COLUMNS)
    terms = weighted_traffic(kernel) | {
        "macs": float(batch * rows * columns * depth),
        "tiled_macs": float(batch * rows * column_tiles * _TILE_COLUMNS * depth),
        "weights_again": float(batch * row_tiles * columns * depth),
        "partial_outputs": float(batch * rows * columns * math.ceil(depth / _DEPTH)),
        "left_again": float(batch * rows * depth * column_tiles),
        "products": float(batch),
    }
    terms |= activation(kernel)
    sizes = {"rows": rows, "columns": columns, "depth": depth, "batch": batch}
    return Features(variant=variant, terms=terms, sizes=sizes)


def quantised_product(kernel: Kernel) -> Features | None:
    """Features of QLinearMatMul, whose factors are not its first two inputs."""
    return product(kernel, 0, 3)


def attention(kernel: Kernel) -> Features | None:
    """Features of attention as one operator: projections, where it has their weights, then scores and their sum."""
    data, output = kernel.inputs[0], kernel.outputs[0]
    if data is None or not data.shape or not output.shape or len(data.shape) != 3:
        return None
    batch, tokens, width = data.shape
    heads = number(kernel, "num_heads", 1)
    weights = sum(item.elements for item in kernel.inputs if item is not None and item.constant)
    keys = kernel.inputs[1] if kernel.op_type == "MultiHeadAttention" and len(kernel.inputs) > 1 else data
    looked = keys.shape[1] if keys is not None and keys.shape and len(keys.shape) == 3 else tokens
    terms = weighted_traffic(kernel) | {
        "macs": float(batch * tokens * weights),
        "score_macs": float(2 * batch * tokens * looked * width),
        "scores": float(batch * heads * tokens * looked),
        "products": float(2 * batch * heads),
    }
    sizes = {"tokens": tokens, "width": width, "heads": max(1.0, heads), "batch": batch}
    return Features(variant=kernel.op_type, terms=terms, sizes=sizes)


def recurrent(kernel: Kernel) -> Features | None:
    """Features of LSTM and GRU: one product over all steps, then one a step."""
    data, weight, recurrence = kernel.inputs[0], kernel.inputs[1], kernel.inputs[2]
    if data is None or weight is None or recurrence is None or not data.shape or len(data.shape) != 3:
        return None
    if not weight.shape or not recurrence.shape or len(weight.shape) != 3 or len(recurrence.shape) != 3:
        return None
    steps, batch, features = data.shape
    directions = recurrence.shape[0]
    gates = 3 if "GRU" in kernel.op_type else 4
    # Packed and quantised forms keep their weights transposed, so the gates tell the width.
    hidden = min(recurrence.shape[1:])
    wide = gates * hidden * directions
    terms = weighted_traffic(kernel) | {
        "macs": float(steps * batch * wide * features),
        "recurrent_macs": float(steps * batch * wide * hidden),
        "steps": float(steps * directions),
        "weights_again": float(steps * wide * hidden),
        "gates": float(steps * batch * wide),
    }
    sizes = {"steps": steps, "batch": batch, "features": features, "hidden": hidden, "directions": directions}
    return Features(variant=kernel.op_type, terms=terms, sizes=sizes)


_NAMES = {"Gemm": "Product", "FusedGemm": "Product", "MatMul": "Product", "FusedMatMul": "Product"}


def _operand(kernel: Kernel, index: int) -> Operand | None:
    return kernel.inputs[index] if index < len(kernel.inputs) else None


def _depth(kernel: Kernel, left: tuple[int, ...]) -> int:
    if number(kernel, "transA", 0) and len(left) > 1:
        return left[-2]
    return left[-1]
