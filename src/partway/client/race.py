"""The rest of a request, from the server or from here: whichever is there first, and one of them always is.

    sent ── wait ──┬─ the answer ─────────────────────────────────────────────> the server's
                   ├─ an error, a refusal, damage, turned away ── the tail here > the device's
                   └─ late ── the tail here, the answer still welcome ──┬─ tail ─> the device's, the call withdrawn
                                                                       └─ answer > the server's, the tail stopped

Input: what was sent, and how to run the tail from the tensors at hand. Output: the outputs, who made them, and what
became of the other. The tail runs in the caller's thread; an answer that arrives meanwhile is read and checked on the
thread that brings it, so that a damaged one stops nothing. Called for each request that was sent.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from partway.client.exchange import Exchange
from partway.engine import Stop
from partway.errors import EngineError, PartwayError, ServerError, WireError

Arrays = Mapping[str, np.ndarray]


class Sent(Protocol):
    """A request that is on its way, whose answer is checked when it is read."""

    def read(self, timeout_s: float | None = None) -> Exchange:
        """The answer; raises what `Call.result` raises, and `WireError` for one that was not asked for."""

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have something called once `read` need not wait."""

    def cancel(self, *, overdue: bool = False) -> None:
        """Withdraw it; see `Call.cancel`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How the rest of a request came about.

    Attributes:
        outputs: of the tail.
        exchange: what the server's part took, where its answer came, used or not; None where none came.
        error: why the server's part failed, where it did.
        hedged: whether the device began to finish alone beside a server that was late.
        by_server: whether the outputs are the server's.
    """

    outputs: Arrays
    exchange: Exchange | None = None
    error: PartwayError | None = None
    hedged: bool = False
    by_server: bool = False


def race(sent: Sent, *, wait_s: float, finish: Callable[[Stop], Arrays], stop: Stop) -> Finish:
    """Wait for the answer, then no longer for it alone.

    Args:
        sent: the request.
        wait_s: how long to wait before the device begins, at least 0.
        finish: runs the tail here; ends early when it is told to.
        stop: said by whoever wants no outputs any more.

    Raises:
        RunStopped: it was said.
        EngineError: neither side can: the tail fails here, and no answer came.
    """
    forget = stop.on_stop(sent.cancel)
    try:
        try:
            exchange = sent.read(wait_s)
        except TimeoutError:
            return _hedge(sent, finish, stop)
        except (ServerError, WireError) as error:
            stop.check()
            return Finish(outputs=finish(stop), error=error)
        if exchange.turned_away:
            stop.check()
            return Finish(outputs=finish(stop), exchange=exchange)
        return Finish(outputs=exchange.outputs, exchange=exchange, by_server=True)
    finally:
        forget()
        sent.cancel()  # also when the caller is interrupted: nobody reads it after this


def _hedge(sent: Sent, finish: Callable[[Stop], Arrays], stop: Stop) -> Finish:
    local = Stop()
    late = _Late(sent, local)
    forget = stop.on_stop(local.stop)
    sent.on_done(late.arrived)
    try:
        outputs = finish(local)
    except EngineError as failure:  # stopped, or broken
        stop.check()
        exchange = late.close() or _last_hope(sent, failure)
        if exchange.turned_away:
            raise
        return Finish(outputs=exchange.outputs, exchange=exchange, hedged=True, by_server=True)
    finally:
        forget()
    late_one = late.close()
    sent.cancel(overdue=True)
    return Finish(outputs=outputs, exchange=late_one, error=late.error, hedged=True)


def _last_hope(sent: Sent, failure: EngineError) -> Exchange:
    try:
        return sent.read()
    except (ServerError, WireError):
        raise failure from None


class _Late:
    """Listens for a late answer for as long as the device has none of its own."""

    def __init__(self, sent: Sent, local: Stop) -> None:
        self.error: PartwayError | None = None
        self._sent = sent
        self._local = local
        self._lock = threading.Lock()
        self._exchange: Exchange | None = None
        self._closed = False

    def arrived(self) -> None:
        exchange, error = None, None
        try:
            exchange = self._sent.read(0.0)
        except (ServerError, WireError) as found:
            error = found
        with self._lock:
            if self._closed:
                return
            self._exchange, self.error = exchange, error
        if exchange is not None and not exchange.turned_away:
            self._local.stop()

    def close(self) -> Exchange | None:
        with self._lock:
            self._closed = True
            return self._exchange
