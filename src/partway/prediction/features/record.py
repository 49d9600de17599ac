"""What prediction knows of a kernel: its variant, and the amounts of work that its time is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from partway.graph import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A kernel in numbers.

    Attributes:
        variant: kernels of one variant run the same code, so one formula holds for them.
        terms: amounts of work, each >= 0 and each costing a constant time for one variant and machine:
            multiply-accumulates, bytes, rows, calls. `weight_bytes` are those of constants.
        sizes: what the amounts were made from, each > 0: channels, lengths. Kernels near each other in the
            logarithms of these err alike.
    """

    variant: str
    terms: Mapping[str, float]
    sizes: Mapping[str, float]


def traffic(kernel: Kernel) -> dict[str, float]:
    """Terms that every kernel has: being called, bytes read and written, constants among those read."""
    inputs = [operand for operand in kernel.inputs if operand is not None]
    return {
        "call": 1.0,
        "input_bytes": float(sum(operand.size_bytes for operand in inputs)),
        "output_bytes": float(sum(operand.size_bytes for operand in kernel.outputs)),
    }


def weighted_traffic(kernel: Kernel) -> dict[str, float]:
    """The same of a kernel with weights, whose bytes are counted apart: they come from wherever they lie."""
    terms = traffic(kernel)
    weight_bytes = float(kernel.weight_bytes)
    return terms | {"input_bytes": terms["input_bytes"] - weight_bytes, "weight_bytes": weight_bytes}


def number(kernel: Kernel, name: str, default: float) -> float:
    """An attribute that is a number."""
    value = kernel.attributes.get(name, default)
    return value if isinstance(value, int | float) else default


def numbers(kernel: Kernel, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute that is a list of whole numbers."""
    value = kernel.attributes.get(name, default)
    return tuple(map(int, value)) if isinstance(value, tuple) and value else default


def activation(kernel: Kernel) -> dict[str, float]:
    """The term of a fused activation: all but Relu take a pass of their own over the output."""
    name = kernel.attributes.get("activation", "")
    return {f"activated_{name}": float(kernel.outputs[0].elements)} if name and name != "Relu" else {}
