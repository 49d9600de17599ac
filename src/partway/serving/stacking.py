"""Requests as rows of one: which models allow it, how they are put together and taken apart again.

    {x: [r, ...]} {x: [r, ...]} -> {x: [2r, ...]} -> tail of the binding of twice the rows -> {y: [2r, ...]} -> y, y

Input: graphs, bindings, arrays. Output: bindings, arrays, or no. Pure. Called by the batcher.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from partway.graph import Binding, Model, Piece, Source
from partway.graph.binding import make_binding

Arrays = Mapping[str, np.ndarray]


def rows_of(model: Model, piece: Piece) -> int | None:
    """The first dimension of all that a piece is fed and gives; None where they do not share one."""
    shapes = [model.tensors[name].static_shape for name in (*piece.inputs, *piece.outputs)]
    rows = {shape[0] if shape else None for shape in shapes}
    found = rows.pop()
    return found if found and not rows else None


def multiply_rows(source: Source, binding: Binding, factor: int) -> Binding | None:
    """The binding of so many times the rows; None where the model does not leave the first dimension open.

    Args:
        source: the model.
        binding: of that model.
        factor: how many requests become one.
    """
    declared = {tensor.name: tensor.shape for tensor in (*source.inputs, *source.optional_inputs)}
    rows = {shape[0] if shape else None for _, shape in binding.shapes}
    if len(rows) != 1 or None in rows:
        return None
    shapes = {}
    for name, lengths in binding.shapes:
        shape = declared.get(name)
        if not shape or isinstance(shape[0], int):
            return None
        shapes[name] = (factor * lengths[0], *lengths[1:])
    return make_binding(shapes, {value.name: value.array() for value in binding.values})


def is_multiple(model: Model, many: Model, piece: Piece, factor: int) -> bool:
    """Whether a piece of one model is, in another, the same with so many times the rows.

    Args:
        model: the graph of one request.
        many: that of several.
        piece: of both, by its tensors' names.
        factor: how many requests become one.
    """
    for name in (*piece.inputs, *piece.outputs):
        one, several = model.tensors[name], many.tensors.get(name)
        if several is None or several.dtype != one.dtype or not one.static_shape:
            return False
        if several.static_shape != (factor * one.static_shape[0], *one.static_shape[1:]):
            return False
    return True


def stack(members: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """The feeds of several requests as those of one."""
    return {name: np.concatenate([member[name] for member in members]) for name in members[0]}


def split(outputs: Arrays, members: int) -> list[Arrays]:
    """The outputs of one request as those of several."""
    parts: list[dict[str, np.ndarray]] = [{} for _ in range(members)]
    for name, array in outputs.items():
        rows = len(array) // members
        for position, part in enumerate(parts):
            part[name] = array[position * rows : (position + 1) * rows]
    return [*parts]
