"""One request on its way to a server: it can be waited for, listened to and withdrawn.

Made by a transport; settled once, by the answer, by what went wrong, or by whoever withdraws it. Held by the race
between server and device. Safe to use from several threads.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from partway.engine import Clock
from partway.errors import PartwayError, ServerUnavailable
from partway.wire import InferResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response and what the network saw of it.

    Attributes:
        response: the server's answer, checked.
        round_trip_s: from the first byte handed over until the last one came back.
        up_bytes: length of the request.
        down_bytes: length of the response.
        fresh: whether nothing was heard over its connection before, so that it paid for handshakes too.
    """

    response: InferResponse
    round_trip_s: float
    up_bytes: int
    down_bytes: int
    fresh: bool = False


class Withdrawal(Enum):
    """Why nobody waits for a call any more."""

    UNWANTED = "unwanted"
    """Nobody wants the answer, whenever it comes: this says nothing of the server."""
    OVERDUE = "overdue"
    """It should have been there, and somebody else had one meanwhile."""
    EXPIRED = "expired"
    """It did not come for as long as the call lasted."""


class Call(Protocol):
    """A request that was sent."""

    def result(self, timeout_s: float | None = None) -> Answer:
        """The server's answer.

        Args:
            timeout_s: how long to wait for it now; None for as long as the call may last.

        Raises:
            TimeoutError: it is not there yet.
            ServerUnavailable: none came while the call lasted, or the call was withdrawn.
            ServerRefused: the server said no.
            WireError: the answer is damaged.
        """

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have something called once `result` need not wait; at once if that is so already.

        Args:
            callback: must not raise; runs on any thread, and whatever else arrives there waits for it.
        """

    @property
    def lasted_s(self) -> float:
        """Seconds from sending until it was settled, or until now."""

    def cancel(self, *, overdue: bool = False) -> None:
        """Withdraw the request. One that was settled stays as it is.

        Args:
            overdue: whether its answer should have been there; else nobody wants it, late or not.
        """


class PendingCall:
    """A call that its transport settles.

    Args:
        clock: seconds, monotonic.
        lasts_s: how long anybody waits for it in all; without an end by default.
        withdraw: tells the network that nobody waits any more; is handed why.
    """

    def __init__(
        self,
        *,
        clock: Clock = time.monotonic,
        lasts_s: float = math.inf,
        withdraw: Callable[[Withdrawal], object] = lambda _why: None,
    ) -> None:
        self._clock = clock
        self._lasts_s = lasts_s
        self._begun_s = clock()
        self._until_s = self._begun_s + lasts_s
        self._settled_s: float | None = None
        self._withdraw = withdraw
        self._settled = threading.Event()
        self._lock = threading.Lock()
        self._read: Callable[[], Answer] = _not_yet
        self._callbacks: list[Callable[[], object]] = []

    def settle(self, read: Callable[[], Answer]) -> bool:
        """Say what became of it; only the first word counts.

        Args:
            read: gives the answer, or raises what `Call.result` raises. Called by whoever asks, so that decoding is
                the asker's time.

        Returns:
            Whether this was the first.
        """
        with self._lock:
            if self._settled.is_set():
                return False
            self._read, self._settled_s = read, self._clock()
            self._settled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        return True

    def fail(self, error: PartwayError) -> bool:
        """Say that no answer will come, and why; as `settle`."""
        return self.settle(partial(_raise, error))

    def result(self, timeout_s: float | None = None) -> Answer:
        """The server's answer; see `Call.result`."""
        left_s = max(0.0, self._until_s - self._clock())
        wait_s = left_s if timeout_s is None else min(timeout_s, left_s)
        arrived = self._settled.wait(None if math.isinf(wait_s) else wait_s)
        if not arrived and (timeout_s is None or timeout_s >= left_s):
            message = f"no answer from the server within {self._lasts_s:.2f} s"
            if self.fail(ServerUnavailable(message)):
                self._withdraw(Withdrawal.EXPIRED)
        return self._read()

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have something called once it is settled; see `Call.on_done`."""
        with self._lock:
            if not self._settled.is_set():
                self._callbacks.append(callback)
                return
        callback()

    @property
    def settled(self) -> bool:
        """Whether it is known what became of it."""
        return self._settled.is_set()

    @property
    def lasted_s(self) -> float:
        """Seconds until it was settled, or until now; see `Call.lasted_s`."""
        settled_s = self._settled_s
        return (self._clock() if settled_s is None else settled_s) - self._begun_s

    def cancel(self, *, overdue: bool = False) -> None:
        """Withdraw it; see `Call.cancel`."""
        if self.fail(ServerUnavailable("the request was withdrawn before its answer came")):
            self._withdraw(Withdrawal.OVERDUE if overdue else Withdrawal.UNWANTED)


def _not_yet() -> Answer:
    raise TimeoutError("the answer is not there yet")


def _raise(error: PartwayError) -> Answer:
    raise error
