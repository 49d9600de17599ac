"""Features of convolutions.

ONNX Runtime's processor library keeps channels in blocks (NCHWc). It walks over the rows of the output; for each it
takes up to four blocks of filters at a time, and within the row six outputs at a time, the rest and those at padded
edges one by one. So a multiply-accumulate costs less or more by where it falls, and each of these amounts is a term.
Positions of the kernel that lie on padding are skipped, and are not counted.

Source: what onnxruntime/core/mlas/lib/snchwc.cpp and its assembly kernels loop over.
"""

import math
from dataclasses import dataclass
from math import prod

from partway.graph import Kernel, Operand
from partway.prediction.features.record import Features, activation, number, numbers, weighted_traffic

_BLOCK = 16  # channels side by side in one vector; where a machine has 8, the fitted costs make up for it
_SET = 4  # blocks of filters that share one pass over the input
_TILE = 6  # outputs of a row that are computed together
_FIRST = _BLOCK  # fewer input channels than this are read from the plain layout
_POINTWISE_BLOCKS = 8  # blocks of input channels that one pointwise pass takes

Shape = tuple[int, ...]


def convolution(kernel: Kernel, weight_index: int = 1) -> Features | None:
    """Features of a convolution in any layout; None where a shape is not known.

    Args:
        kernel: what convolves.
        weight_index: which input holds the filters.
    """
    data, weight, output = kernel.inputs[0], kernel.inputs[weight_index], kernel.outputs[0]
    if data is None or weight is None or not data.shape or not weight.shape or not output.shape:
        return None
    if number(kernel, "channels_last", 0):
        data, output = _channels_first(data), _channels_first(output)
    places = _Places.of(kernel, data.shape or (), weight.shape, output.shape or ())
    filters, inner = weight.shape[:2]
    groups = int(number(kernel, "group", 1))
    blocked = kernel.domain.endswith("nchwc")
    kind = _kind(groups, filters, inner, prod(weight.shape[2:]), blocked=blocked)
    if kind == "pointwise" and places.rows * places.width == 1:
        kind = "vector"  # as after a global pool: a product with one row
    stride = max(numbers(kernel, "strides", (1,)))
    terms = weighted_traffic(kernel)
    if not blocked:
        terms |= _plain(places, filters, inner, groups)
    elif kind == "depthwise":
        terms |= _depthwise(places, filters)
    elif kind in ("pointwise", "vector"):
        terms |= _pointwise(places, filters, inner)
    else:
        terms |= _dense(places, filters, inner, groups, first=kind == "first")
    terms |= activation(kernel)
    if kernel.op_type in ("Conv", "FusedConv") and len(kernel.inputs) > 3 and kernel.inputs[3] is not None:
        terms["added"] = float(output.elements)
    variant = ".".join(
        (
            kernel.op_type.removeprefix("Fused"),
            "blocked" if blocked else "plain",
            kind,
            *(("strided",) if kind == "pointwise" and stride > 1 else ()),
            *((f"{len(weight.shape) - 2}d",) if len(weight.shape) != 4 else ()),
        )
    )
    sizes = {
        "filters": filters if kind == "depthwise" else filters / groups,
        "inner": inner,
        "width": places.width,
        "rows": places.rows,
        "batch": places.batch,
        "tall": places.tall,
        "wide": places.wide,
        "stride": stride,
        "groups": 1 if kind == "depthwise" else groups,
    }
    return Features(variant=variant, terms=terms, sizes=sizes)


def quantised_convolution(kernel: Kernel) -> Features | None:
    """Features of QLinearConv, whose filters come after the scale and zero of its data."""
    return convolution(kernel, 3)


def transposed_convolution(kernel: Kernel) -> Features | None:
    """Features of a transposed convolution: one product, whose columns are then added up into the output."""
    data, weight, output = kernel.inputs[0], kernel.inputs[1], kernel.outputs[0]
    if data is None or weight is None or not data.shape or not weight.shape or not output.shape:
        return None
    groups = int(number(kernel, "group", 1))
    places = data.elements // max(1, data.shape[1])
    terms = weighted_traffic(kernel) | {
        "macs": float(data.elements * prod(weight.shape[1:])),
        "columns": float(places * prod(weight.shape[1:]) * groups),
        "groups": float(groups * output.shape[0]),
    }
    sizes = {
        "filters": weight.shape[1],
        "inner": weight.shape[0] / groups,
        "outputs": prod(output.shape[2:]),
        "positions": prod(weight.shape[2:]),
        "batch": output.shape[0],
        "groups": groups,
    }
    return Features(variant=f"ConvTranspose.{len(weight.shape) - 2}d", terms=terms, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the positions of a kernel fall over one image's outputs.

    Attributes:
        batch: images.
        rows: rows of the output.
        width: outputs of a row.
        lines: rows of the output, each times the kernel's rows that lie on data.
        full: outputs of a row with every position of a kernel row on data.
        edge_positions: such positions of all the others.
        wide: positions of a kernel row.
        tall: kernel rows.
    """

    batch: int
    rows: int
    width: int
    lines: int
    full: int
    edge_positions: int
    wide: int
    tall: int

    @classmethod
    def of(cls, kernel: Kernel, data: Shape, weight: Shape, output: Shape) -> "_Places":
        """The places of one convolution."""
        dimensions = len(weight) - 2
        strides = numbers(kernel, "strides", (1,) * dimensions)
        dilations = numbers(kernel, "dilations", (1,) * dimensions)
        lengths = tuple(zip(data[2:], weight[2:], output[2:], strides, dilations, strict=True))
        starts = _starts(kernel, lengths)
        while len(lengths) > 1 and lengths[-1][:3] == (1, 1, 1):
            lengths, starts = lengths[:-1], starts[:-1]  # a column runs as a row
        *others, last = (_on_data(*length, start) for length, start in zip(lengths, starts, strict=True))
        wide = lengths[-1][1]
        full = sum(count == wide for count in last)
        return cls(
            batch=output[0],
            rows=prod(out for _, _, out, _, _ in lengths[:-1]),
            width=lengths[-1][2],
            lines=prod(map(sum, others)),
            full=full,
            edge_positions=sum(last) - full * wide,
            wide=wide,
            tall=prod(wide for _, wide, _, _, _ in lengths[:-1]),
        )

    @property
    def tiled(self) -> int:
        """Outputs of a row that are computed six at a time."""
        return self.full - self.full % _TILE


def _channels_first(operand: Operand) -> Operand:
    batch, *lengths, channels = operand.shape or ()
    return Operand(operand.dtype, (batch, channels, *lengths), operand.constant)


def _starts(kernel: Kernel, lengths: tuple[tuple[int, int, int, int, int], ...]) -> tuple[int, ...]:
    padding = kernel.attributes.get("auto_pad", "NOTSET")
    if padding in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(0, (out - 1) * stride + (wide - 1) * dilation + 1 - size)
            for size, wide, out, stride, dilation in lengths
        ]
        return tuple(total // 2 if padding == "SAME_UPPER" else -(-total // 2) for total in totals)
    return numbers(kernel, "pads", (0,) * (2 * len(lengths)))[: len(lengths)]


def _on_data(size: int, wide: int, out: int, stride: int, dilation: int, start: int) -> list[int]:
    """For every output along one dimension, how many kernel positions lie on data."""
    counts = []
    for place in range(out):
        first = place * stride - start
        low = max(0, -(first // dilation)) if first < 0 else 0
        high = min(wide, -((first - size) // dilation)) if first < size else 0
        counts.append(max(0, high - low))
    return counts


def _kind(groups: int, filters: int, inner: int, positions: int, *, blocked: bool) -> str:
    if groups > 1:
        if inner == 1 and filters < 2 * groups:
            return "depthwise"
        return "grouped" if positions > 1 else "grouped_pointwise"
    if blocked and inner < _FIRST:
        return "first"
    return "pointwise" if positions == 1 else "dense"


def _sets(filters: float) -> tuple[tuple[int, int], ...]:
    # (blocks in a set, how many such sets): as many full ones as fit, and what is left.
    full, rest = divmod(max(1, math.ceil(filters / _BLOCK)), _SET)
    return tuple((size, count) for size, count in ((_SET, full), (rest, 1)) if size and count)


def _dense(places: _Places, filters: int, inner: int, groups: int, *, first: bool) -> dict[str, float]:
    sets = _sets(filters / groups)
    calls = places.batch * groups * places.rows * (1.0 if first else max(1.0, inner / _BLOCK))
    lines = places.batch * groups * places.lines * inner
    single = places.full - places.tiled
    terms = {"calls": calls * sum(count for _, count in sets)}
    for size, count in sets:
        blocks = size * count * _BLOCK
        terms[f"tiled_macs_{size}"] = float(lines * places.wide * places.tiled * blocks)
        terms[f"single_macs_{size}"] = float(lines * (places.wide * single + places.edge_positions) * blocks)
    terms["partial_outputs"] = calls * places.width * filters / groups
    terms["weights_again"] = float(places.batch * places.lines * places.wide * filters * inner)
    terms["lines"] = float(lines * sum(count for _, count in sets))
    return terms


def _pointwise(places: _Places, filters: int, inner: int) -> dict[str, float]:
    outputs = places.rows * places.width
    passes = math.ceil(inner / (_BLOCK * _POINTWISE_BLOCKS))
    sets = _sets(filters)
    terms = {"calls": float(places.batch * passes * sum(count for _, count in sets))}
    for size, count in sets:
        amount = places.batch * inner * size * count * _BLOCK
        terms[f"tiled_macs_{size}"] = float(amount * (outputs - outputs % _TILE))
        terms[f"single_macs_{size}"] = float(amount * (outputs % _TILE))
    terms["partial_outputs"] = float(places.batch * passes * outputs * filters)
    terms["input_again"] = float(places.batch * outputs * inner * sum(count for _, count in sets))
    return terms


def _depthwise(places: _Places, filters: int) -> dict[str, float]:
    blocks = places.batch * filters / _BLOCK
    lines = blocks * places.lines
    return {
        "tiled_macs": lines * places.wide * places.tiled,
        "single_macs": lines * (places.wide * (places.full - places.tiled) + places.edge_positions),
        "edges": blocks * places.rows * (places.width - places.full),
        "lines": lines,
        "calls": blocks * places.rows,
    }


def _plain(places: _Places, filters: int, inner: int, groups: int) -> dict[str, float]:
    outputs = places.batch * places.rows * places.width
    positions = places.wide * places.tall
    return {
        "macs": float(outputs * filters * inner * positions),
        "columns": float(outputs * inner * groups * positions) if positions > 1 else 0.0,
        "groups": float(places.batch * groups),
        "partial_outputs": outputs * filters * math.ceil(inner * positions / 128.0),
        "weights_again": float(filters * inner * positions * places.batch),
    }
