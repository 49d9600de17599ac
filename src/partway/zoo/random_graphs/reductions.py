"""What makes many elements one: sums, means, largest ones; and Softmax, which divides by a sum."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import ANY, Draft

_INDEX = np.dtype(np.int64)


def _reduction(draft: Draft, x: Tensor, op_type: str) -> Tensor:
    """Over the last axis, the spatial ones or one in the middle; the result often meets what it is made of."""
    axes = draft.pick(*_axes(x))
    if draft.chance(0.25) and x.rank - len(axes) >= 2:
        return _scaled(draft, draft.reduce(op_type, x, *axes, keep=False), op_type, x)
    reduced = _scaled(draft, draft.reduce(op_type, x, *axes), op_type, x)
    return draft.elementwise(draft.pick("Sub", "Mul", "Add"), x, reduced)


def _axes(x: Tensor) -> list[tuple[int, ...]]:
    if x.rank == 4:
        return [(3,), (2, 3), (2, 3), (1,), (2,)]
    return [(x.rank - 1,), (x.rank - 1,), (1,)]


def _scaled(draft: Draft, reduced: Tensor, op_type: str, x: Tensor) -> Tensor:
    """Sums grow with what they sum, and are brought back to the scale of one element."""
    if op_type in ("ReduceSum", "ReduceL2", "ReduceSumSquare"):
        return draft.elementwise("Mul", reduced, reduced.elements / x.elements)
    return reduced


def _position(draft: Draft, x: Tensor) -> Tensor:
    """Where the largest element is, as a number."""
    axis = draft.pick(1, x.rank - 1, x.rank - 1)
    place = draft.cast(draft.reduce("ArgMax", x, axis), x.dtype.name)
    return draft.elementwise("Add", x, draft.elementwise("Mul", place, 1 / x.shape[axis]))


def _softmax(draft: Draft, x: Tensor) -> Tensor:
    return draft.softmax(x)


def _inner_softmax(draft: Draft, x: Tensor) -> Tensor:
    draft.need(x.rank > 2)
    return draft.softmax(x, axis=draft.pick(*range(1, x.rank - 1)))


def _largest(draft: Draft, x: Tensor) -> Tensor:
    """The few largest of every row, in order."""
    length = x.shape[-1]
    count = draft.between(1, min(100, length))
    shape = (*x.shape[:-1], count)
    values = draft.emit(
        "TopK", (x, draft.constant([count])), [(shape, x.dtype), (shape, _INDEX)], settings={"axis": -1}
    )
    return values[0]


def _sum_so_far(draft: Draft, x: Tensor) -> Tensor:
    axis = draft.pick(1, x.rank - 1)
    total = draft.node("CumSum", (x, draft.scalar(axis, _INDEX)), x.shape)
    return draft.elementwise("Mul", total, 1 / x.shape[axis])


REDUCTIONS: Mapping[str, Block] = {
    **{
        f"reduce.{op_type.removeprefix('Reduce')}": Block(
            build=partial(_reduction, op_type=op_type), takes=ANY, share=share
        )
        for op_type, share in (
            ("ReduceMean", 0.8),
            ("ReduceSum", 0.3),
            ("ReduceMax", 0.3),
            ("ReduceMin", 0.1),
            ("ReduceL2", 0.2),
            ("ReduceSumSquare", 0.1),
        )
    },
    "reduce.ArgMax": Block(build=_position, takes=ANY, share=0.2),
    "reduce.TopK": Block(build=_largest, takes=ANY, share=0.1),
    "reduce.CumSum": Block(build=_sum_so_far, takes=ANY, share=0.1),
    "softmax": Block(build=_softmax, takes=ANY, share=0.7),
    "softmax.inner": Block(build=_inner_softmax, takes=ANY, share=0.2),
}
