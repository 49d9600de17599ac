"""One request on its way: what was asked, what is known so far, where the seconds went.

Made by the session for each call of `run`; it runs the device's part and draws up the `Result`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from partway.client.bound import BoundModel
from partway.client.breaker import Fault, State
from partway.client.observer import Observer
from partway.client.packing import Packer
from partway.client.race import Finish
from partway.client.result import Result
from partway.client.traffic import Traffic
from partway.engine import Clock, Session, Stop
from partway.graph import Cut
from partway.link import LinkEstimate
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
        traffic: the requests that run beside it.
        slowdown: of an emulated device, else 1.
        clock: seconds, monotonic.
        stop: said when nobody wants the answer any more.
        started_s: when the call began, on that clock.
        known: tensors at hand: feeds, what the head made, what came back.
        reason: why it runs where it runs.
        decision: what was decided; None where nothing was to be.
        conditions: under which.
        link: the network as it was believed to be then.
        queue_reported_s: the queue delay that the server had reported last; None before it did.
        breaker: whether requests went to the server then; None where there is none.
        hedge_wait_s: how long its answer was to be waited for before the device began too; None where it was not sent.
        codec: what the crossing tensors were packed with.
        fault: what went wrong on the server's side; None for nothing, or where the device was merely first.
        turned_away: whether the server's queue was longer than it may wait.
    """

    names: tuple[str, ...]
    feeds: Mapping[str, np.ndarray]
    observer: Observer
    traffic: Traffic
    slowdown: float
    clock: Clock
    stop: Stop = field(default_factory=Stop)
    started_s: float = field(init=False)
    known: dict[str, np.ndarray] = field(default_factory=dict)
    reason: str = ""
    decision: Decision | None = None
    conditions: Conditions | None = None
    link: LinkEstimate | None = None
    queue_reported_s: float | None = None
    breaker: State | None = None
    hedge_wait_s: float | None = None
    codec: str = RAW
    fault: Fault | None = None
    turned_away: bool = False

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return self.clock() - self.started_s

    def decided(self, decision: Decision, conditions: Conditions, link: LinkEstimate, breaker: State) -> None:
        """Note what was decided, why, and by what."""
        self.decision, self.conditions, self.link, self.breaker = decision, conditions, link, breaker
        self.queue_reported_s = self.observer.queue_reported_s
        self.reason = decision.reason

    def run_whole(self, session: Session, values: Mapping[str, np.ndarray]) -> Result:
        """Answer from a plain session of the whole model.

        Args:
            session: of the author's file.
            values: the inputs held constant, which the file still wants to be fed.
        """
        self.known |= session.run({**self.feeds, **values}, self.names, stop=self.stop)
        return self.result(None)

    def run_alone(self, bound: BoundModel, cost: CutCost) -> Result:
        """Answer from the device's own pieces.

        Args:
            bound: the model.
            cost: what device-only is expected to cost.
        """
        piece = bound.device_only.head
        if piece is not None:
            self.known |= bound.run(piece, self.feeds, self.names, stop=self.stop)
            if not frozenset(piece.outputs).difference(self.names):
                bound.observe_head(bound.device_only, self.elapsed_s(), alone=self.traffic.alone)
        self.observer.saw_head(expected_s=cost.device_s, took_s=self.elapsed_s(), alone=self.traffic.alone)
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
                self.known |= bound.run(cut.head, self.feeds, kept, stop=self.stop)
                ran = True
            if kept == cut.head.outputs:
                bound.observe_head(cut, self.elapsed_s(), alone=self.traffic.alone)
        packed = packer.pack(bound.model, cost.codec, {name: self.known[name] for name in cut.crossing})
        if cost.codec != RAW:
            bound.observe_coding(cut, cost.codec, cut.up_bytes - packed.saved_bytes)
            self.codec = cost.codec if packed.coded else RAW
        if ran:  # the table's seconds have the encoding in them
            self.observer.saw_head(expected_s=cost.device_s, took_s=self.elapsed_s(), alone=self.traffic.alone)
        return packed.tensors

    def run_tail(self, bound: BoundModel, cut: Cut, stop: Stop) -> dict[str, np.ndarray]:
        """Those outputs that the tail makes, computed here from the tensors at hand.

        Args:
            bound: the model.
            cut: where it was cut.
            stop: ends the run early.

        Raises:
            RunStopped: it was stopped.
            EngineError: the runtime failed.
        """
        if cut.tail is None:
            return {}
        wanted = tuple(name for name in self.names if name in cut.tail.outputs)
        return bound.run(cut.tail, self.known, wanted, stop=stop)

    def result(self, cut: Cut | None, finish: Finish | None = None) -> Result:
        """Draw up what the request came to, now that every output is known.

        Args:
            cut: where it was cut; None when the device ran alone.
            finish: how the rest of a request that was sent came about; None when it was not sent.
        """
        total_s = self.elapsed_s()
        uplink_s = downlink_s = server_s = 0.0
        exchange = finish.exchange if finish is not None and finish.by_server else None
        if exchange is not None and self.conditions is not None:
            server_s = exchange.server_s
            up_s = self.conditions.rtt_s / 2 + exchange.up_bytes / self.conditions.uplink_bytes_per_s
            down_s = self.conditions.rtt_s / 2 + exchange.down_bytes / self.conditions.downlink_bytes_per_s
            uplink_s = exchange.network_s * up_s / (up_s + down_s)
            downlink_s = exchange.network_s - uplink_s
        return Result(
            outputs=tuple(self.known[name] for name in self.names),
            output_names=self.names,
            crossing=cut.crossing if cut is not None else (),
            offloaded=exchange is not None,
            fell_back=finish is not None and not finish.by_server,
            hedged=finish is not None and finish.hedged,
            hedge_wait_s=self.hedge_wait_s,
            device_s=max(0.0, total_s - uplink_s - server_s - downlink_s),
            uplink_s=uplink_s,
            server_s=server_s,
            downlink_s=downlink_s,
            total_s=total_s,
            up_bytes=exchange.up_bytes if exchange is not None else 0,
            down_bytes=exchange.down_bytes if exchange is not None else 0,
            expected_s=None if self.decision is None else self.decision.latency_s,
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
