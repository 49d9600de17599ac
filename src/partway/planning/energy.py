"""What a cut costs the device in joules under given conditions.

In come the cost table of `costs`, the conditions of the moment and what the device draws while it is not
computing. Out come joules, one per cut, by one matrix-vector product, or part by part for showing:

    head computes ─> sends ──────> waits for server and link ─> receives ───> (tail)
    device_j         tx_w          idle_w                       rx_w          tail_j, once

Counted is the whole device, from the request's start to its answer, as a meter on its battery would; the
server's joules are not. Where a head's joules are unknown its cut's are unknown too: `nan` in arrays, `None` in
`EnergyParts`, never 0. Called by plans and by tables that show them.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from partway.errors import InputError
from partway.link.radio import Radio
from partway.link.state import check_rate
from partway.planning.costs import Conditions, CostTable, CutCost, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDraw:
    """Watts of the whole device while it does not compute, at one moment; from a radio, `PowerDraw.of`.

    Attributes:
        tx_w: while it sends at the present uplink rate, >= 0.
        rx_w: while it receives at the present downlink rate, >= 0.
        idle_w: while it waits for the server or the link, >= 0.
        tail_j: joules that every offloaded request still costs after its answer, >= 0; 0 where they are not
            its own, as in a stream of requests, each of which comes while the radio is awake.

    Raises:
        InputError: a value is negative or not finite.
    """

    tx_w: float
    rx_w: float
    idle_w: float
    tail_j: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value: float = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} of a power draw is {value}; it must be finite and not negative")

    @classmethod
    def of(cls, radio: Radio, conditions: Conditions, *, device_idle_w: float, tail: bool = False) -> "PowerDraw":
        """What a device with this radio draws.

        Args:
            radio: watts of the radio alone.
            conditions: the rates that it sends and receives at.
            device_idle_w: watts of the rest of the device while its processors wait, >= 0. It draws them
                while the radio sends and receives, too. Of the same scope as the joules of heads: of the
                whole board where those are the board's.
            tail: charge each offloaded request with the radio's whole tail, as one pays that comes alone.

        Raises:
            LinkError: a rate is infinite, at which a radio's watts have no meaning.
            InputError: `device_idle_w` is negative or not finite.
        """
        return DeviceDraw.of(radio, device_idle_w=device_idle_w, tail=tail).at(conditions)


class DeviceDraw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a whole device draws while it does not compute, at whichever rate its radio works.

    A msgspec record because plans store it.

    Attributes:
        idle_w: while it waits for the server or the link, >= 0.
        tx_j_per_byte: joules that each byte sent adds, >= 0.
        tx_base_w: watts while it sends, without those bytes, >= 0.
        rx_j_per_byte: joules that each byte received adds, >= 0.
        rx_base_w: watts while it receives, without those bytes, >= 0.
        tail_j: joules that every offloaded request still costs after its answer, >= 0.

    Raises:
        InputError: a value is negative or not finite.
    """

    idle_w: float
    tx_j_per_byte: float
    tx_base_w: float
    rx_j_per_byte: float
    rx_base_w: float
    tail_j: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: float = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} of a device's draw is {value}; it must be finite and not negative")

    @classmethod
    def of(cls, radio: Radio, *, device_idle_w: float, tail: bool = False) -> "DeviceDraw":
        """What a device with this radio draws; the arguments and errors of `PowerDraw.of`."""
        # Watts of a radio would hide a negative one.
        if not 0 <= device_idle_w < math.inf:
            raise InputError(f"device_idle_w is {device_idle_w}; it must be finite and not negative, in watts")
        return cls(
            idle_w=device_idle_w + radio.idle_w,
            tx_j_per_byte=radio.tx_j_per_byte,
            tx_base_w=device_idle_w + radio.tx_base_w,
            rx_j_per_byte=radio.rx_j_per_byte,
            rx_base_w=device_idle_w + radio.rx_base_w,
            tail_j=radio.tail_j if tail else 0.0,
        )

    def at(self, conditions: Conditions) -> PowerDraw:
        """The watts at the rates of these conditions.

        Raises:
            LinkError: a rate is infinite, at which a radio's watts have no meaning.
        """
        for name, rate in (("uplink", conditions.uplink_bytes_per_s), ("downlink", conditions.downlink_bytes_per_s)):
            check_rate(name, rate)
        return PowerDraw(
            tx_w=self.tx_base_w + self.tx_j_per_byte * conditions.uplink_bytes_per_s,
            rx_w=self.rx_base_w + self.rx_j_per_byte * conditions.downlink_bytes_per_s,
            idle_w=self.idle_w,
            tail_j=self.tail_j,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyParts:
    """One request's expected joules on the device, part by part.

    Attributes:
        device_j: head compute; None where nothing is known of it.
        uplink_j: sending the crossing tensors.
        wait_j: round trip, queue and the server's tail.
        downlink_j: receiving the result.
        tail_j: the radio's tail after the answer, where it is charged.
    """

    device_j: float | None
    uplink_j: float
    wait_j: float
    downlink_j: float
    tail_j: float

    @property
    def total_j(self) -> float | None:
        """Joules of the whole request; None where those of the head are unknown."""
        if self.device_j is None:
            return None
        return self.device_j + self.uplink_j + self.wait_j + self.downlink_j + self.tail_j


def energy_terms(table: CostTable) -> FloatArray:
    """What `energy_coefficients` multiplies, float64 (cuts, 5).

    The columns of `CostTable.terms`, with device_j in the place of device_s: `nan` where it is unknown.
    """
    terms = table.terms.copy()
    terms[:, 0] = table.device_j
    return terms


def energy_coefficients(conditions: Conditions, draw: PowerDraw) -> FloatArray:
    """What conditions and draw charge for each column of `energy_terms`, float64 (5,).

    A device that is slower than when its costs were taken is charged more joules in proportion, as if its watts
    had stayed: a guess for a throttled processor, which draws less.

    Source: the energy that Kang et al., ASPLOS 2017, minimise in Algorithm 1, with waiting, a downlink and the
    radio's tail added.
    """
    return np.array(
        (
            conditions.device_factor,
            draw.idle_w * (conditions.rtt_s + conditions.queue_delay_s) + draw.tail_j,
            draw.tx_w / conditions.uplink_bytes_per_s,
            draw.idle_w * conditions.slowdown,
            draw.rx_w / conditions.downlink_bytes_per_s,
        )
    )


def energy_j(table: CostTable, conditions: Conditions, draw: PowerDraw) -> FloatArray:
    """Expected joules on the device of a request at every cut, float64 (cuts,).

    device_factor * device_j + tx_w * up_bytes / uplink + rx_w * down_bytes / downlink
    + idle_w * (offloaded * (rtt_s + queue_delay_s) + slowdown * server_s) + offloaded * tail_j; the device-only
    cut has only the first term. `nan` where device_j is unknown: whoever looks for the least has to say what
    that means, since numpy's `argmin` takes the first `nan`.
    """
    joules: FloatArray = energy_terms(table) @ energy_coefficients(conditions, draw)
    return joules


def energy_parts(cost: CutCost, conditions: Conditions, draw: PowerDraw) -> EnergyParts:
    """The expected joules of one cut, part by part, for showing; they add up to `energy_j`."""
    wait_s = conditions.rtt_s + conditions.queue_delay_s if cost.offloaded else 0.0
    return EnergyParts(
        device_j=None if cost.device_j is None else conditions.device_factor * cost.device_j,
        uplink_j=draw.tx_w * cost.up_bytes / conditions.uplink_bytes_per_s,
        wait_j=draw.idle_w * (wait_s + conditions.slowdown * cost.server_s),
        downlink_j=draw.rx_w * cost.down_bytes / conditions.downlink_bytes_per_s,
        tail_j=draw.tail_j if cost.offloaded else 0.0,
    )
