"""What it takes to run a piece, whoever runs it.

The `Session` protocol is all that client, server and profiling know of an inference runtime. `SlowSession`
emulates a weaker machine.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from partway.engine.stopping import Stop

Clock = Callable[[], float]
Sleep = Callable[[float], None]

_NAP_S = 0.002  # a wait that can be stopped looks up so often


class Session(Protocol):
    """A piece that is ready to run; safe to call from several threads."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors to feed."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors it computes."""

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Compute outputs by name.

        Args:
            feeds: an array for every input.
            outputs: which to return; all by default.
            stop: ends the run early, between two kernels.

        Raises:
            BindingError: the feeds do not fit.
            RunStopped: the run was stopped.
            EngineError: the runtime failed.
        """


class SlowSession:
    """Emulates a machine `factor` times slower: after each run it waits out the difference.

    The result is the session's own; only its lateness is emulated, and whoever prints a time of it says so.
    One thing runs at a time, as on a machine that is busy for all that while. Where it can be told, only what the run
    computes is stretched: what holds it up meanwhile, such as another program, is no part of the weaker machine.

    Args:
        session: what really runs.
        factor: how many times slower, at least 1.
        clock: seconds, monotonic.
        computing: seconds of what a run computes, read before and after on its thread; by default the clock's.
        sleep: waits for seconds.
        busy: held by whatever runs, of all sessions on the same machine; by default it has this session alone.
    """

    def __init__(
        self,
        session: Session,
        factor: float,
        *,
        clock: Clock,
        sleep: Sleep,
        computing: Clock | None = None,
        busy: "threading.Lock | None" = None,
    ) -> None:
        if not factor >= 1.0:
            raise ValueError(f"a machine can be slowed by a factor of 1 or more, not {factor}")
        self._session = session
        self._factor = factor
        self._clock = clock
        self._sleep = sleep
        self._computing = computing or clock
        self._busy = busy or threading.Lock()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors to feed."""
        return self._session.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors it computes."""
        return self._session.outputs

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """As the session's own, later."""
        with self._turn(stop):
            start_s = self._computing()
            results = self._session.run(feeds, outputs, stop=stop)
            late_s = (self._factor - 1.0) * (self._computing() - start_s)
            if stop is None:
                self._sleep(late_s)
            else:
                self._sleep_unless(stop, late_s)
            return results

    @contextmanager
    def _turn(self, stop: Stop | None) -> Iterator[None]:
        while not self._busy.acquire(timeout=-1 if stop is None else _NAP_S):
            if stop is not None:
                stop.check()
        try:
            yield
        finally:
            self._busy.release()

    def _sleep_unless(self, stop: Stop, seconds: float) -> None:
        until_s = self._clock() + seconds
        while (left_s := until_s - self._clock()) > 0.0:
            stop.check()
            self._sleep(min(left_s, _NAP_S))
        stop.check()
