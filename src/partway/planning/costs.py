"""What a cut costs, and how long it takes under given conditions.

In come the handful of numbers of every cut (measured, interpolated, predicted or analytic) and the conditions of the
moment: link, load, device. Out come seconds, one per cut, by one matrix-vector product. Called by
`frontier`, `decision` and `plan`, by the client that learns costs as it runs and by tables that show them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from partway.errors import InputError

FloatArray = npt.NDArray[np.float64]
How = Literal["measured", "interpolated", "predicted", "analytic"]


_NUMBERS = (
    "device_s",
    "up_bytes",
    "server_s",
    "down_bytes",
    "device_j",
    "device_spread",
    "server_spread",
    "error",
    "device_bytes",
)


class CutCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of one cut: all that a decision needs to know about it.

    A msgspec record because plans and profiles store it.

    Attributes:
        crossing: names of the tensors sent; empty for the device-only cut.
        device_s: seconds of head compute on the device at its usual speed, encoding included, >= 0.
        up_bytes: bytes of the crossing tensors after the codec, >= 0.
        server_s: seconds of tail compute on an idle server, decoding included, >= 0.
        down_bytes: bytes of the result that comes back, >= 0.
        offloaded: False only for the device-only cut, which then has no bytes and no server seconds.
        device_j: joules of the head, or None where nothing is known of them.
        device_j_how: whether a meter tells so, directly or through a predictor, or a constant's watts; None like
            `device_j`.
        how: where the seconds come from; what was done for either piece, whichever is furthest from measuring.
        device_spread: standard deviation of the logarithm of true over stated `device_s`; None where unknown.
        server_spread: the same of `server_s`.
        codec: how the crossing tensors travel; `raw` as they are.
        error: the largest difference that the codec makes to an output, as a share of the output's scale; 0 for a
            codec that loses nothing.
        device_bytes: memory that the head needs, its weights and the largest set of tensors alive at once; None
            where unknown.

    Raises:
        InputError: a number is negative or not finite, a device-only cut has bytes or server seconds, or joules do
            not say where they come from.
    """

    crossing: tuple[str, ...]
    device_s: float
    up_bytes: int
    server_s: float
    down_bytes: int
    offloaded: bool
    device_j: float | None = None
    device_j_how: Literal["metered", "constant"] | None = None
    how: How = "measured"
    device_spread: float | None = None
    server_spread: float | None = None
    codec: str = "raw"
    error: float = 0.0
    device_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no cut can have."""
        for name in _NUMBERS:
            value: float | None = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"{name} of {describe_cut(self)} is {value}; it must be finite and not negative")
        if not self.offloaded and (self.up_bytes or self.down_bytes or self.server_s):
            raise InputError(
                f"a device-only cost has {self.up_bytes} bytes up, {self.server_s} s on the server and "
                f"{self.down_bytes} bytes down; all three must be 0, or 'offloaded' true"
            )
        if (self.device_j is None) != (self.device_j_how is None):
            raise InputError(
                f"device_j of {describe_cut(self)} is {self.device_j} and device_j_how {self.device_j_how}; "
                "joules must say where they come from, and only they"
            )


def describe_cut(cost: CutCost) -> str:
    """The cut in words: `the device alone`, `the cut at relu5_1 as int8`, `the cut at a, b and 3 more`."""
    if not cost.offloaded:
        return "the device alone"
    shown, rest = cost.crossing[:2], len(cost.crossing) - 2
    more = f" and {rest} more" if rest > 0 else ""
    codec = "" if cost.codec == "raw" else f" as {cost.codec}"
    return f"the cut at {', '.join(shown)}{more}{codec}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Link, load and device at the moment of one request.

    Attributes:
        uplink_bytes_per_s: device to server, > 0; infinite where the link costs nothing.
        downlink_bytes_per_s: server to device, > 0; infinite where the link costs nothing.
        rtt_s: round trip of an empty message, >= 0.
        queue_delay_s: wait in the server's queue, >= 0.
        slowdown: seconds on the server now over seconds on it when idle, > 0.
        device_factor: seconds on the device now over seconds when its costs were taken, > 0.

    Raises:
        InputError: a value lies outside its range.
    """

    uplink_bytes_per_s: float
    downlink_bytes_per_s: float
    rtt_s: float
    queue_delay_s: float = 0.0
    slowdown: float = 1.0
    device_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        for name in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
            value: float = getattr(self, name)
            if not value > 0:
                raise InputError(f"{name} is {value}; it must be above 0 (without a link, run on the device alone)")
        for name in ("rtt_s", "queue_delay_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} is {value}; it must be finite and not negative, in seconds")
        for name in ("slowdown", "device_factor"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be finite and above 0 (1 means as measured)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One request's expected seconds, part by part.

    Attributes:
        device_s: head compute.
        uplink_s: crossing tensors on the link.
        server_s: tail compute under the present load.
        downlink_s: the result on the link.
        wait_s: round trip and the server's queue.
    """

    device_s: float
    uplink_s: float
    server_s: float
    downlink_s: float
    wait_s: float

    @property
    def total_s(self) -> float:
        """Seconds of the whole request."""
        return self.device_s + self.uplink_s + self.server_s + self.downlink_s + self.wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """Many cuts' costs, laid out for one product per decision; make it with `CostTable.of`.

    Attributes:
        costs: the cuts, in the caller's order.
        terms: float64 (cuts, 5), one column per coefficient of `coefficients`: device_s, offloaded, up_bytes,
            server_s, down_bytes. Read-only, as all arrays here.
        device_j: joules of the heads, float64 (cuts,); `nan` where unknown.
        device_bytes: memory that the heads need, float64 (cuts,); `nan` where unknown.
        error: what the codecs lose, float64 (cuts,).
        has_joules: whether those of any head are known.
        lossy: whether any codec loses anything.
    """

    costs: tuple[CutCost, ...]
    terms: FloatArray = field(repr=False, compare=False)
    device_j: FloatArray = field(repr=False, compare=False)
    device_bytes: FloatArray = field(repr=False, compare=False)
    error: FloatArray = field(repr=False, compare=False)
    has_joules: bool = field(repr=False, compare=False)
    lossy: bool = field(repr=False, compare=False)

    @classmethod
    def of(cls, costs: Sequence[CutCost]) -> "CostTable":
        """The table of `costs`, in their order.

        Raises:
            InputError: there are no costs.
        """
        if not costs:
            raise InputError("a cost table was given no cuts; give at least one, such as the device-only cut")
        error = _read_only([c.error for c in costs])
        return cls(
            costs=tuple(costs),
            terms=_read_only([(c.device_s, float(c.offloaded), c.up_bytes, c.server_s, c.down_bytes) for c in costs]),
            device_j=_read_only([c.device_j for c in costs]),
            device_bytes=_read_only([c.device_bytes for c in costs]),
            error=error,
            has_joules=any(c.device_j is not None for c in costs),
            lossy=bool(error.any()),
        )

    def __len__(self) -> int:
        return len(self.costs)


def _read_only(values: Sequence[object]) -> FloatArray:
    # None becomes nan.
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def coefficients(conditions: Conditions) -> FloatArray:
    """What the conditions charge for each column of `CostTable.terms`, float64 (5,).

    Source: the latency that Kang et al., ASPLOS 2017, minimise in Algorithm 1, with a round trip, a queue and
    a downlink added.
    """
    return np.array(
        (
            conditions.device_factor,
            conditions.rtt_s + conditions.queue_delay_s,
            1.0 / conditions.uplink_bytes_per_s,
            conditions.slowdown,
            1.0 / conditions.downlink_bytes_per_s,
        )
    )


def latency_s(table: CostTable, conditions: Conditions) -> FloatArray:
    """Expected seconds of a request at every cut, float64 (cuts,).

    device_factor * device_s + offloaded * (rtt_s + queue_delay_s) + up_bytes / uplink + slowdown * server_s
    + down_bytes / downlink; the device-only cut has only the first term.
    """
    seconds: FloatArray = table.terms @ coefficients(conditions)
    return seconds


def parts(cost: CutCost, conditions: Conditions) -> Parts:
    """The expected seconds of one cut, part by part, for showing; they add up to `latency_s`."""
    return Parts(
        device_s=conditions.device_factor * cost.device_s,
        uplink_s=cost.up_bytes / conditions.uplink_bytes_per_s,
        server_s=conditions.slowdown * cost.server_s,
        downlink_s=cost.down_bytes / conditions.downlink_bytes_per_s,
        wait_s=conditions.rtt_s + conditions.queue_delay_s if cost.offloaded else 0.0,
    )


def spread_s(cost: CutCost, conditions: Conditions) -> float | None:
    """By how many seconds a cut's latency may be off, one standard deviation; None where nothing tells.

    Device and server are taken to err each for itself. The link is taken as it is said to be, and a piece of unknown
    spread as exact.
    """
    pieces = (
        (conditions.device_factor * cost.device_s, cost.device_spread),
        (conditions.slowdown * cost.server_s, cost.server_spread),
    )
    deviations_s = [seconds * spread for seconds, spread in pieces if spread is not None]
    return math.hypot(*deviations_s) if deviations_s else None
