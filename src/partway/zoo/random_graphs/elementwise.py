"""Operators that treat element by element: activations alone, arithmetic that broadcasts, comparisons, casts."""

from collections.abc import Mapping
from functools import partial

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.draft import ANY, SPATIAL, Draft

_FUSES = frozenset({"Conv", "Gemm", "MatMul", "Add", "BatchNormalization"})


def _activation(draft: Draft, x: Tensor, kind: str) -> Tensor:
    """An activation that stays a kernel of its own: a product whose result others read too cannot take it in."""
    y = draft.activate(x, kind)
    return draft.elementwise("Sub", y, x) if draft.maker(x) in _FUSES else y


def _unary(draft: Draft, x: Tensor, op_type: str) -> Tensor:
    return draft.elementwise(op_type, x)


def _positive(draft: Draft, x: Tensor, op_type: str) -> Tensor:
    """An operator for positive numbers only."""
    return draft.elementwise(op_type, draft.elementwise("Add", draft.elementwise("Abs", x), 0.1))


def _exponential(draft: Draft, x: Tensor) -> Tensor:
    return draft.elementwise("Exp", draft.elementwise("Neg", draft.elementwise("Abs", x)))


def _binary(draft: Draft, x: Tensor, op_type: str) -> Tensor:
    """A second operand of any shape that broadcasts: stored, or computed from the first."""
    if op_type == "Pow":
        x = draft.activate(x, "Sigmoid")  # no root of what is negative, no power of what is large
        if draft.chance(0.6):
            return draft.elementwise("Pow", x, draft.pick(2.0, 2.0, 2.0, 0.5, 3.0, 1.5))
    other = _second(draft, x)
    if op_type == "Div":
        if isinstance(other, Tensor):
            other = draft.elementwise("Add", draft.elementwise("Abs", other), 0.5)
        return draft.elementwise("Div", x, other)
    return draft.elementwise(op_type, *((x, other) if op_type == "Pow" or draft.chance(0.7) else (other, x)))


def _second(draft: Draft, x: Tensor) -> Tensor | float:
    how = draft.pick("scalar", "channel", "last", "column", "stored", "full", "full", "reduced")
    match how:
        case "scalar":
            return 0.7
        case "channel":
            return _stored(draft, x.shape[1], *(1 for _ in x.shape[2:]))
        case "last":
            return _stored(draft, x.shape[-1])
        case "column":
            return _stored(draft, *x.shape[1:-1], 1)
        case "stored":
            draft.need(x.elements <= 1 << 20)
            return _stored(draft, *x.shape[1:])
        case "full":
            return draft.elementwise(draft.pick("Sigmoid", "Abs"), x)
        case _:
            return draft.reduce("ReduceMax", x, draft.pick(*range(1, x.rank)))


def _stored(draft: Draft, *shape: int) -> Tensor:
    return draft.weights(*shape, deviation=0.02, mean=0.9)


def _sum(draft: Draft, x: Tensor) -> Tensor:
    """Sum adds any number of tensors."""
    return draft.elementwise("Sum", *(draft.activate(x, kind) for kind in ("Relu", "Abs", "Tanh")[: draft.pick(2, 3)]))


def _where(draft: Draft, x: Tensor) -> Tensor:
    """A choice by a comparison, alone or combined, and of numbers or of a tensor."""
    if draft.chance(0.15):
        return draft.elementwise("Where", draft.elementwise("IsNaN", x), 0.0, x)
    chosen = draft.elementwise(draft.pick("Greater", "Less", "GreaterOrEqual", "LessOrEqual"), x, 0.1)
    if draft.chance(0.4):
        beside = draft.elementwise("Less", x, _stored(draft, x.shape[-1]))
        chosen = draft.elementwise(draft.pick("And", "Or"), chosen, beside)
    if draft.chance(0.4):
        chosen = draft.elementwise("Not", chosen)
    other: Tensor | float = draft.elementwise("Neg", x) if draft.chance(0.4) else 0.0
    return draft.elementwise("Where", chosen, x, other)


def _masked(draft: Draft, x: Tensor) -> Tensor:
    """What padded steps give: a comparison per row, broadcast over the rest."""
    mask = draft.elementwise("Equal", draft.cast(draft.reduce("ReduceMax", x, -1), "int32"), 1.0)
    return draft.elementwise("Where", mask, x, draft.scalar(-1.0, x.dtype))


def _compare(draft: Draft, x: Tensor) -> Tensor:
    """A comparison as a number."""
    op_type = draft.pick("Greater", "Less", "GreaterOrEqual", "LessOrEqual")
    truths = draft.elementwise(op_type, x, draft.pick(0.0, 0.5))
    return draft.elementwise("Mul", x, draft.cast(truths, x.dtype.name))


def _cast(draft: Draft, x: Tensor) -> Tensor:
    """To another type, something done there, and back."""
    dtype = draft.pick(
        "int32", "int64", "float64", "uint8", "bool", "float16" if x.dtype.name == "float32" else "float32"
    )
    y = draft.cast(draft.activate(x, "Sigmoid") if dtype == "uint8" else x, dtype)
    if dtype in ("int32", "int64", "float64"):
        y = draft.elementwise(draft.pick("Add", "Mul"), y, 1.0)
    elif dtype == "uint8":
        y = draft.elementwise("Equal", y, 1.0)
    elif dtype == "bool":
        y = draft.elementwise("Not", y)
    else:
        y = draft.transpose(y, *reversed(range(y.rank)))  # both casts would cancel out
        return draft.transpose(draft.cast(y, x.dtype.name), *reversed(range(y.rank)))
    return draft.cast(y, x.dtype.name)


def _pixels(draft: Draft, x: Tensor) -> Tensor:
    """Bytes of a photograph as numbers, scaled."""
    scaled = draft.elementwise("Mul", draft.cast(x, draft.dtype.name), 1 / 255)
    return draft.elementwise("Sub", scaled, draft.weights(x.shape[1], 1, 1, deviation=0.1, mean=0.5))


def _photograph(draft: Draft) -> Tensor:
    return draft.input(
        draft.batch(), draft.pick(1, 3, 3), draft.between(24, 500), draft.between(24, 500), dtype="uint8"
    )


_ALONE = (
    *(("Relu", 1.0), ("Relu6", 0.4), ("Sigmoid", 0.5), ("Tanh", 0.4), ("LeakyRelu", 0.3), ("HardSigmoid", 0.3)),
    *(("HardSwish", 0.4), ("HardSwishParts", 0.2), ("HardSwishClip", 0.3), ("Silu", 0.6), ("Gelu", 0.5)),
    *(("GeluTanh", 0.3), ("Elu", 0.2), ("Softplus", 0.2), ("Mish", 0.2), ("Erf", 0.2)),
)
_BINARY = (("Add", 1.0), ("Mul", 1.0), ("Sub", 0.4), ("Div", 0.4), ("Max", 0.2), ("Min", 0.2), ("Pow", 0.3))

ELEMENTWISE: Mapping[str, Block] = {
    **{
        f"activation.{kind}": Block(build=partial(_activation, kind=kind), takes=ANY, share=share)
        for kind, share in _ALONE
    },
    "activation.PRelu": Block(build=partial(_activation, kind="PRelu"), takes=SPATIAL, share=0.3),
    **{
        f"binary.{op_type}": Block(build=partial(_binary, op_type=op_type), takes=ANY, share=share)
        for op_type, share in _BINARY
    },
    **{
        f"unary.{op_type}": Block(build=partial(_unary, op_type=op_type), takes=ANY, share=0.1)
        for op_type in ("Abs", "Neg", "Floor", "Round", "Sin", "Cos")
    },
    **{
        f"unary.{op_type}": Block(build=partial(_positive, op_type=op_type), takes=ANY, share=0.15)
        for op_type in ("Sqrt", "Log", "Reciprocal")
    },
    "unary.Exp": Block(build=_exponential, takes=ANY, share=0.15),
    "binary.Sum": Block(build=_sum, takes=ANY, share=0.2),
    "where": Block(build=_where, takes=ANY, share=0.4),
    "where.masked": Block(build=_masked, takes=ANY, share=0.2),
    "compare": Block(build=_compare, takes=ANY, share=0.2),
    "cast": Block(build=_cast, takes=ANY, share=0.3),
    "cast.pixels": Block(build=_pixels, takes=SPATIAL[:1], share=0.2, start=_photograph, first=True),
}
