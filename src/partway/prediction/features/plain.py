"""Features of everything that is no product: element by element, moving, reducing.

Time goes with elements and bytes, and with how long the runs are over which memory is read in order: a broadcast over
a channel repeats its loop for each channel, a transposition that keeps its last dimension copies whole rows.
"""

from itertools import pairwise
from math import prod

from partway.graph import Kernel, Operand
from partway.prediction.features.record import Features, number, numbers, traffic

Shape = tuple[int, ...]

_POWERS = frozenset({2.0, 3.0})  # computed by multiplying


def elementwise(kernel: Kernel) -> Features | None:
    """Features of an operator that computes each element by itself, of one operand or of several."""
    output = kernel.outputs[0]
    if output.shape is None:
        return None
    kind, span = _broadcast(kernel, output)
    terms = traffic(kernel) | {"elements": float(output.elements)}
    if span:
        terms["spans"] = output.elements / span
    value = kernel.attributes.get("value")
    known = (f"{value:g}",) if isinstance(value, float) and value in _POWERS else ()
    words = (_name(kernel), *known, *((kind,) if kind else ()), *_type_words(kernel))
    sizes = {"elements": output.elements, "span": span or output.elements}
    return Features(variant=".".join(words), terms=terms, sizes=sizes)


def free(kernel: Kernel) -> Features:
    """Features of an operator that only says how memory is seen, unless it has to copy."""
    return Features(variant="Free", terms=traffic(kernel), sizes={})


def pooling(kernel: Kernel) -> Features | None:
    """Features of a pool: every output reads a window, or all of its channel."""
    data, output = kernel.inputs[0], kernel.outputs[0]
    if data is None or not data.shape or not output.shape:
        return None
    window = numbers(kernel, "kernel_shape", data.shape[2:])
    terms = traffic(kernel) | {
        "window_elements": float(output.elements * prod(window)),
        "windows": float(output.elements),
        "channels": float(prod(output.shape[:2])),
    }
    sizes = {
        "channels": prod(output.shape[:2]),
        "outputs": prod(output.shape[2:]),
        "window": prod(window),
        "stride": max(numbers(kernel, "strides", (1,))),
    }
    return Features(variant=".".join((_name(kernel), *_type_words(kernel))), terms=terms, sizes=sizes)


def reorder(kernel: Kernel) -> Features | None:
    """Features of a change of layout between plain and blocks of channels."""
    data, output = kernel.inputs[0], kernel.outputs[0]
    if data is None or not data.shape or not output.shape:
        return None
    last = bool(number(kernel, "channels_last", 0))
    terms = traffic(kernel) | {"channels": float(prod(output.shape[:2]))}
    places = prod(output.shape[1:-1]) if last else prod(output.shape[2:])
    sizes = {"channels": output.shape[-1] if last else output.shape[1], "places": places, "batch": output.shape[0]}
    return Features(variant=kernel.op_type + (".last" if last else ""), terms=terms, sizes=sizes)


def transposition(kernel: Kernel) -> Features | None:
    """Features of a transposition, which is free, copies runs, or moves single elements."""
    data = kernel.inputs[0]
    if data is None or data.shape is None:
        return None
    order = numbers(kernel, "perm", tuple(reversed(range(len(data.shape)))))
    kept = [axis for axis in order if data.shape[axis] != 1]
    if kept == sorted(kept):
        return Features(variant="Transpose.kept", terms=traffic(kernel), sizes={"elements": max(1, data.elements)})
    run = 1
    for axis, place in zip(reversed(kept), sorted(kept, reverse=True), strict=True):
        if axis != place:
            break
        run *= data.shape[axis]
    moved = _moves_one_axis(kept)
    kind = "runs" if run > 1 else ("swapped" if moved else "scattered")
    terms = traffic(kernel) | {"runs": data.elements / run}
    sizes = {"elements": max(1, data.elements), "run": run, "last": data.shape[kept[-1]], "first": data.shape[kept[0]]}
    return Features(variant=f"Transpose.{kind}", terms=terms, sizes=sizes)


def copying(kernel: Kernel) -> Features | None:
    """Features of joining, splitting, slicing, padding, gathering: runs of memory copied."""
    output = kernel.outputs[0]
    if output.shape is None:
        return None
    elements = sum(item.elements for item in kernel.outputs)
    run = _copied_run(kernel, output.shape)
    parts = max(len(kernel.outputs), sum(item is not None for item in kernel.inputs))
    terms = traffic(kernel) | {"runs": elements / max(1, run), "parts": float(parts)}
    if kernel.op_type in ("Gather", "GatherND", "GatherElements", "Slice"):
        terms["input_bytes"] = terms["output_bytes"]  # only what is taken is read
    kind = kernel.op_type
    if kind == "Slice":
        kind += ".runs" if run > 1 else ".steps"
    sizes = {"elements": max(1, elements), "run": max(1, run), "parts": parts}
    return Features(variant=kind, terms=terms, sizes=sizes)


def normalisation(kernel: Kernel) -> Features | None:
    """Features of what runs over rows more than once: softmax, layer and instance normalisation."""
    data = kernel.inputs[0]
    if data is None or not data.shape:
        return None
    name, axis = _name(kernel), int(number(kernel, "axis", -1))
    last = axis in (-1, len(data.shape) - 1)
    row = data.shape[-1] if last else prod(data.shape[axis:])
    if kernel.op_type in ("InstanceNormalization", "GroupNormalization"):
        row = prod(data.shape[2:])
    elif not last and "Softmax" in kernel.op_type:
        row, name = data.shape[axis], f"{name}.inner"
    elements = data.elements
    terms = traffic(kernel) | {"elements": float(elements), "rows": elements / max(1, row)}
    return Features(variant=name, terms=terms, sizes={"elements": max(1, elements), "row": max(1, row)})


def reduction(kernel: Kernel) -> Features | None:
    """Features of a reduction, over the last dimensions or over others."""
    data, output = kernel.inputs[0], kernel.outputs[0]
    if data is None or not data.shape or output.shape is None:
        return None
    kept = output.shape if len(output.shape) == len(data.shape) else None
    last = kept is None or (kept[-1] == 1 and data.shape[-1] != 1)
    terms = traffic(kernel) | {"elements": float(data.elements), "outputs": float(output.elements)}
    sizes = {"elements": max(1, data.elements), "outputs": max(1, output.elements)}
    words = (kernel.op_type, "last" if last else "inner", *_type_words(kernel))
    return Features(variant=".".join(words), terms=terms, sizes=sizes)


def resizing(kernel: Kernel) -> Features | None:
    """Features of a resize, by its mode."""
    output = kernel.outputs[0]
    if not output.shape:
        return None
    mode = str(kernel.attributes.get("mode", "nearest"))
    sizes = {"channels": max(1, prod(output.shape[:2])), "places": max(1, prod(output.shape[2:]))}
    terms = traffic(kernel) | {"elements": float(output.elements)}
    return Features(variant=f"{_name(kernel)}.{mode}", terms=terms, sizes=sizes)


def other(kernel: Kernel) -> Features:
    """Features of an operator without a rule of its own: bytes and elements."""
    elements = max(
        (operand.elements for operand in (*kernel.inputs, *kernel.outputs) if operand is not None), default=0
    )
    words = (_name(kernel), *_type_words(kernel))
    terms = traffic(kernel) | {"elements": float(elements)}
    return Features(variant=".".join(words), terms=terms, sizes={"elements": max(1, elements)})


def _name(kernel: Kernel) -> str:
    return f"{kernel.op_type}.blocked" if kernel.domain.endswith("nchwc") else kernel.op_type


def _type_words(kernel: Kernel) -> tuple[str, ...]:
    data = next((operand for operand in kernel.inputs if operand is not None and not operand.constant), None)
    target = next(iter(kernel.outputs), None)
    words = [operand.dtype for operand in (data, target) if operand is not None and operand.dtype != "float32"]
    return tuple(dict.fromkeys(words))


def _broadcast(kernel: Kernel, output: Operand) -> tuple[str, int]:
    """How the smallest operand is spread, and the length of the loops that this leaves; 0 for one operand."""
    shapes = [operand.shape for operand in kernel.inputs if operand is not None and operand.shape is not None]
    if len(shapes) < 2 or output.shape is None:
        return "", 0
    smaller = min(shapes, key=prod)
    if prod(smaller) == output.elements:
        return "same", output.elements
    if prod(smaller) == 1:
        return "scalar", output.elements
    padded = (1,) * (len(output.shape) - len(smaller)) + smaller
    pairs = [(own == whole, whole) for own, whole in zip(padded, output.shape, strict=True) if whole != 1]
    span = 1
    for (same, whole), (before, _) in pairwise((*reversed(pairs), (not pairs[0][0], 0))):
        span *= whole
        if before != same:
            break
    return ("rows" if pairs[-1][0] else "columns"), span


def _moves_one_axis(order: list[int]) -> bool:
    for axis in order:
        rest = [other for other in order if other != axis]
        if rest == sorted(rest):
            return True
    return False


def _copied_run(kernel: Kernel, output: Shape) -> int:
    data = kernel.inputs[0]
    if kernel.op_type in ("Slice", "Pad", "Expand", "Tile") and data is not None and data.shape is not None:
        if not data.shape or (kernel.op_type == "Slice" and data.shape[-1] != output[-1]):
            return 1  # a step may be taken in the last dimension; its attribute is a tensor that is not kept
        run = 1
        for own, made in zip(reversed(data.shape), reversed(output), strict=False):
            run *= min(own, made)
            if own != made:
                break
        return run
    axis = int(number(kernel, "axis", 0))
    if kernel.op_type == "Gather" and data is not None and data.shape:
        return prod(data.shape[axis % len(data.shape) + 1 :])
    if not output:
        return 1
    shapes = [item.shape for item in kernel.outputs if item.shape] if kernel.op_type == "Split" else [output]
    if kernel.op_type == "Concat":
        shapes = [item.shape for item in kernel.inputs if item is not None and item.shape]
    return min((prod(shape[axis % len(shape) :]) for shape in shapes), default=1)
