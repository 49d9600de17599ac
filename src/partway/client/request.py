"""One request on its way: what was asked, what is known so far, where the seconds went.

Made by the session for each call of `run`; it runs the device's part and draws up the `Result`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from partway.client.bound import BoundModel
from partway.client.observer import Observer
from partway.client.packing import Packer
from partway.client.remote import Exchange
from partway.client.result import Result
from partway.client.traffic import Traffic
from partway.engine import Session
from partway.graph import Cut
from partway.planning import Conditions, CutCost, Decision
from partway.units import format_size
from partway.wire import RAW, Tensor


@dataclass(slots=True, kw_only=True)
class Request:
    """One call of `run`.

    Attributes:
        names: outputs wanted, in order.
        feeds: the model's inputs.
        observer: learns what the device's part took.
        slowdown: of an emulated device, else 1.
        traffic: the requests that run beside it.
        known: tensors at hand: feeds, what the head made, what came back.
        started_s: when the call began.
        reason: why it runs where it runs.
        expected_s: what the decision expected.
        codec: what the crossing tensors were packed with.
    """

    names: tuple[str, ...]
    feeds: Mapping[str, np.ndarray]
    observer: Observer
    traffic: Traffic
    slowdown: float
    known: dict[str, np.ndarray] = field(default_factory=dict)
    started_s: float = field(default_factory=time.perf_counter)
    reason: str = ""
    expected_s: float | None = None
    codec: str = RAW

    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self.started_s

    def decided(self, decision: Decision) -> None:
        """Note what was decided and why."""
        self.reason, self.expected_s = decision.reason, decision.latency_s

    def run_whole(self, session: Session, values: Mapping[str, np.ndarray]) -> Result:
        """Answer from a plain session of the whole model.

        Args:
            session: of the author's file.
            values: the inputs held constant, which the file still wants to be fed.
        """
        self.known |= session.run({**self.feeds, **values}, self.names)
        return self.result(None)

    def run_alone(self, bound: BoundModel, cost: CutCost) -> Result:
        """Answer from the device's own pieces.

        Args:
            bound: the model.
            cost: what device-only is expected to cost.
        """
        piece = bound.device_only.head
        if piece is not None:
            self.known |= bound.run(piece, self.feeds, self.names)
            if not frozenset(piece.outputs).difference(self.names):
                bound.observe_head(bound.device_only, self.elapsed_s(), alone=self.traffic.alone)
        self.observer.saw_head(expected_s=cost.device_s, took_s=self.elapsed_s())
        return self.result(None)

    def run_head(self, bound: BoundModel, cut: Cut, cost: CutCost, packer: Packer) -> tuple[Tensor, ...]:
        """Compute the crossing tensors, and those outputs that the head makes.

        Args:
            bound: the model.
            cut: where it is cut.
            cost: what the cut is expected to cost, and its codec.
            packer: packs what crosses.

        Returns:
            What crosses, as it travels.
        """
        self.known |= self.feeds
        ran = False
        if cut.head is not None:
            kept = tuple(name for name in cut.head.outputs if name in self.names or name in cut.crossing)
            if kept:  # else the head makes nothing but outputs that nobody asked for
                self.known |= bound.run(cut.head, self.feeds, kept)
                ran = True
            if kept == cut.head.outputs:
                bound.observe_head(cut, self.elapsed_s(), alone=self.traffic.alone)
        packed = packer.pack(bound.model, cost.codec, {name: self.known[name] for name in cut.crossing})
        if cost.codec != RAW:
            bound.observe_coding(cut, cost.codec, cut.up_bytes - packed.saved_bytes)
            self.codec = cost.codec if packed.coded else RAW
        if ran:  # the table's seconds have the encoding in them
            self.observer.saw_head(expected_s=cost.device_s, took_s=self.elapsed_s())
        return packed.tensors

    def result(
        self,
        cut: Cut | None,
        exchange: Exchange | None = None,
        *,
        conditions: Conditions | None = None,
        fell_back: bool = False,
    ) -> Result:
        """Draw up what the request came to, now that every output is known.

        Args:
            cut: where it was cut; None when the device ran alone.
            exchange: what the server's part took; None when it took none.
            conditions: how the network's time is shared between its two ways.
            fell_back: whether the server was asked in vain.
        """
        total_s = self.elapsed_s()
        uplink_s = downlink_s = server_s = 0.0
        if exchange is not None and conditions is not None:
            server_s = exchange.server_s
            up_s = conditions.rtt_s / 2 + exchange.up_bytes / conditions.uplink_bytes_per_s
            down_s = conditions.rtt_s / 2 + exchange.down_bytes / conditions.downlink_bytes_per_s
            uplink_s = exchange.network_s * up_s / (up_s + down_s)
            downlink_s = exchange.network_s - uplink_s
        return Result(
            outputs=tuple(self.known[name] for name in self.names),
            output_names=self.names,
            crossing=cut.crossing if cut is not None else (),
            offloaded=exchange is not None,
            fell_back=fell_back,
            device_s=max(0.0, total_s - uplink_s - server_s - downlink_s),
            uplink_s=uplink_s,
            server_s=server_s,
            downlink_s=downlink_s,
            total_s=total_s,
            up_bytes=exchange.up_bytes if exchange is not None else 0,
            down_bytes=exchange.down_bytes if exchange is not None else 0,
            expected_s=self.expected_s,
            reason=self.reason,
            codec=self.codec,
            emulated_slowdown=self.slowdown,
        )


def over_limit(tensors: Sequence[Tensor], most_bytes: int | None) -> str | None:
    """By how much what is about to travel is over a limit, in words; None where it is not.

    Sizes of packed tensors are expectations until they are packed.

    Args:
        tensors: as they travel.
        most_bytes: the limit; None for none.
    """
    up_bytes = sum(tensor.array.nbytes for tensor in tensors)
    if most_bytes is None or up_bytes <= most_bytes:
        return None
    return f"what would have been sent came to {format_size(up_bytes)}, and the plan allows {format_size(most_bytes)}"
