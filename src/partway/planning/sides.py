"""Two machines become costs of cuts: heads on one, tails on the other.

    what pieces take on the device ─┐
                                    ├─> CutCost of every cut
    what pieces take on the server ─┘

Input: a `Side` each, from `measured`, `predicted` or `analytic`, in any mixture. Output: `CutCost` records. Pure.
Called by `partway plan` and whoever evaluates plans.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from partway.errors import InputError
from partway.graph import Cut
from partway.planning.costs import CutCost, How
from partway.profiling.power import ConstantPower

_FURTHEST_FIRST: tuple[How, ...] = ("analytic", "interpolated", "predicted", "measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceCost:
    """What one piece takes on one machine.

    Attributes:
        seconds: >= 0; 0 for an empty piece.
        how: where they come from.
        spread: standard deviation of the logarithm of true over stated seconds; None where unknown.
        energy_j: joules by a meter, or by what was fitted to one; None without.
    """

    seconds: float
    how: How
    spread: float | None = None
    energy_j: float | None = None

    def slowed(self, factor: float) -> "PieceCost":
        """The same piece so many times slower, at the same watts."""
        energy_j = None if self.energy_j is None else self.energy_j * factor
        return replace(self, seconds=self.seconds * factor, energy_j=energy_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What the pieces of a model's cuts take on one machine.

    Attributes:
        heads: of each cut, in the cuts' order.
        tails: the same.
    """

    heads: tuple[PieceCost, ...]
    tails: tuple[PieceCost, ...]

    def slowed(self, factor: float) -> "Side":
        """A machine so many times slower.

        Args:
            factor: how many times, at least 1.

        Raises:
            InputError: the factor is below 1 or not finite.
        """
        if not 1.0 <= factor < math.inf:
            raise InputError(f"a machine can be slowed by a factor of 1 or more, not {factor}")
        return Side(
            heads=tuple(piece.slowed(factor) for piece in self.heads),
            tails=tuple(piece.slowed(factor) for piece in self.tails),
        )


def costs_of_sides(
    cuts: Sequence[Cut],
    *,
    device: Side,
    server: Side,
    power: ConstantPower | None = None,
    memory_bytes: Sequence[int] | None = None,
) -> tuple[CutCost, ...]:
    """What every cut costs with heads on one machine and tails on another.

    Args:
        cuts: the cuts that both sides are of.
        device: where heads run.
        server: where tails run.
        power: the device's watts, for heads that no meter tells of.
        memory_bytes: that each head needs; None where nobody asks.
    """
    memory: Sequence[int | None] = memory_bytes if memory_bytes is not None else [None] * len(cuts)
    return tuple(
        _cost(cut, head, tail, power, needed)
        for cut, head, tail, needed in zip(cuts, device.heads, server.tails, memory, strict=True)
    )


def nodes_of_heads(cuts: Sequence[Cut], nodes: int) -> npt.NDArray[np.bool_]:
    """Which nodes lie in each head, bool (cuts, nodes); the others lie in the tails.

    Args:
        cuts: of one graph.
        nodes: how many it has.
    """
    length = -(-nodes // 8)
    heads = np.frombuffer(b"".join(cut.nodes.to_bytes(length, "little") for cut in cuts), dtype=np.uint8)
    return np.unpackbits(heads.reshape(len(cuts), length), axis=1, count=nodes, bitorder="little").astype(np.bool_)


def _cost(cut: Cut, head: PieceCost, tail: PieceCost, power: ConstantPower | None, device_bytes: int | None) -> CutCost:
    used = {head.how, tail.how} if cut.offloaded else {head.how}
    constant_j = None if power is None else power.energy_j(head.seconds)
    device_j = constant_j if head.energy_j is None else head.energy_j
    return CutCost(
        crossing=cut.crossing,
        device_s=head.seconds,
        up_bytes=cut.up_bytes,
        server_s=tail.seconds if cut.offloaded else 0.0,
        down_bytes=cut.down_bytes if cut.offloaded else 0,
        offloaded=cut.offloaded,
        device_j=device_j,
        device_j_how="metered" if head.energy_j is not None else None if device_j is None else "constant",
        how=next(how for how in _FURTHEST_FIRST if how in used),
        device_spread=head.spread,
        server_spread=tail.spread if cut.offloaded else None,
        device_bytes=device_bytes,
    )
