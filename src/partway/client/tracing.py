"""From a request that ended to its line in `trace.jsonl`. Called by the session after each request."""

import datetime as dt
import math
from pathlib import Path

from partway.client.request import Request
from partway.client.result import Result
from partway.client.trace import Belief, Choice, RequestLine, TraceFile, TraceHeader
from partway.planning import Decision
from partway.wire import RAW

_LONGEST_ERROR = 1000  # characters; a line is read whole


class Tracer:
    """Writes the lines of one session.

    Args:
        path: of the trace.
        model: the file's name.
        server: where requests are sent; None for nowhere.
        emulated_slowdown: of an emulated device, else 1.
        begun_s: when the session was made, on the clock of its requests.

    Raises:
        DocumentError: the trace cannot be written, or what is there is none of this version.
    """

    def __init__(self, path: Path, *, model: str, server: str | None, emulated_slowdown: float, begun_s: float) -> None:
        started_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        header = TraceHeader(model=model, server=server, started_at=started_at, emulated_slowdown=emulated_slowdown)
        self._file = TraceFile(path, header)
        self._begun_s = begun_s

    def note(self, request: Request, result: Result) -> None:
        """Write the line of one request."""
        self._file.append(
            RequestLine(
                started_s=request.started_s - self._begun_s,
                belief=_belief(request),
                choice=None if request.decision is None else _choice(request.decision),
                crossing=result.crossing,
                codec=result.codec,
                offloaded=result.offloaded,
                fell_back=result.fell_back,
                hedged=result.hedged,
                hedge_wait_s=result.hedge_wait_s,
                reason=result.reason,
                error=None,
                total_s=result.total_s,
                device_s=result.device_s,
                uplink_s=result.uplink_s,
                server_s=result.server_s,
                downlink_s=result.downlink_s,
                up_bytes=result.up_bytes,
                down_bytes=result.down_bytes,
            )
        )

    def note_error(self, error: BaseException, request: Request | None, *, started_s: float, total_s: float) -> None:
        """Write the line of a request that ended without an answer.

        Args:
            error: what its caller is told.
            request: what was known of it; None where it was none, as with an input missing.
            started_s: when it began, on the clock of requests.
            total_s: how long it took.
        """
        self._file.append(
            RequestLine(
                started_s=started_s - self._begun_s,
                belief=None if request is None else _belief(request),
                choice=None if request is None or request.decision is None else _choice(request.decision),
                crossing=(),
                codec=RAW if request is None else request.codec,
                offloaded=False,
                fell_back=False,
                hedged=False,
                hedge_wait_s=None if request is None else request.hedge_wait_s,
                reason="" if request is None else request.reason,
                error=f"{type(error).__name__}: {error}"[:_LONGEST_ERROR],
                total_s=total_s,
                device_s=total_s,
                uplink_s=0.0,
                server_s=0.0,
                downlink_s=0.0,
                up_bytes=0,
                down_bytes=0,
            )
        )

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def _belief(request: Request) -> Belief | None:
    conditions, link, decision = request.conditions, request.link, request.decision
    if conditions is None or link is None or decision is None:
        return None
    return Belief(
        uplink_bytes_per_s=conditions.uplink_bytes_per_s,
        downlink_bytes_per_s=conditions.downlink_bytes_per_s,
        rtt_s=conditions.rtt_s,
        uplink_spread=_bounded(link.uplink_spread),
        downlink_spread=_bounded(link.downlink_spread),
        rtt_spread=_bounded(link.rtt_spread),
        queue_delay_s=request.queue_reported_s,
        queue_weighed_s=conditions.queue_delay_s,
        slowdown=conditions.slowdown,
        device_factor=conditions.device_factor,
        charge=decision.charge,
        breaker=request.breaker,
    )


def _bounded(spread: float) -> float | None:
    return spread if math.isfinite(spread) else None


def _choice(decision: Decision) -> Choice:
    other = decision.runner_up_cost
    return Choice(
        crossing=decision.crossing,
        codec=decision.codec,
        objective=decision.objective,
        expected_s=decision.latency_s,
        expected_j=decision.energy_j,
        kept=decision.kept,
        runner_up=None if other is None else other.crossing,
        runner_up_codec=None if other is None else other.codec,
        runner_up_s=decision.runner_up_latency_s,
    )
