"""One request on its way to a server: it can be waited for, listened to and withdrawn.

Made by a transport; settled once, by the answer, by what went wrong, or by whoever withdraws it. Held by the race
between server and device. Safe to use from several threads.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    """

    response: InferResponse
    round_trip_s: float
    up_bytes: int
    down_bytes: int


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

    def cancel(self) -> None:
        """Withdraw the request: nobody wants the answer. One that was settled stays as it is."""


class PendingCall:
    """A call that its transport settles.

    Args:
        clock: seconds, monotonic.
        lasts_s: how long anybody waits for it in all; without an end by default.
        withdraw: tells the network that nobody waits any more; is handed whether time ran out.
    """

    def __init__(
        self,
        *,
        clock: Clock = time.monotonic,
        lasts_s: float = math.inf,
        withdraw: Callable[[bool], object] = lambda _expired: None,
    ) -> None:
        self._clock = clock
        self._lasts_s = lasts_s
        self._until_s = clock() + lasts_s
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
            self._read = read
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
                self._withdraw(True)
        return self._read()

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have something called once it is settled; see `Call.on_done`."""
        with self._lock:
            if not self._settled.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def cancel(self) -> None:
        """Withdraw it; see `Call.cancel`."""
        if self.fail(ServerUnavailable("the request was withdrawn before its answer came")):
            self._withdraw(False)


def _not_yet() -> Answer:
    raise TimeoutError("the answer is not there yet")


def _raise(error: PartwayError) -> Answer:
    raise error
