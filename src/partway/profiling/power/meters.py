"""What a power meter is, and the two ways to make one.

Sensors tell either joules that only grow, which are read before and after, or watts of the moment, which a thread
of ours reads again and again:

    counter  --- 5.0 J ---[ work ]--- 5.8 J ---           0.8 J, overflows mended
    watts    . 3 W . 3 W .[ 7 W . 7 W . 7 W ]. 3 W .      the area under the line between them

Input: functions that read a sensor, and a clock. Output: `Meter`, which gives joules since it was opened:

    with meter:
        before_j = meter.energy_j()
        ...
        spent_j = meter.energy_j() - before_j

Called by the adapters of this package; profiling knows `PowerMeter` alone.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from partway.engine import Clock
from partway.errors import PartwayError

logger = logging.getLogger(__name__)

Kind = Literal["measured", "constant"]


class PowerMeter(Protocol):
    """Joules that something spends; a context manager, open while it meters."""

    @property
    def name(self) -> str:
        """What to call it: `rapl:package-0`."""

    @property
    def scope(self) -> str:
        """What its joules are of, in words: `the processor package`."""

    @property
    def kind(self) -> Kind:
        """Whether a sensor measures the joules, or a constant stands in for one."""

    @property
    def part_of(self) -> str | None:
        """Name of the meter whose joules already hold these; None where none does. Never add the two."""

    @property
    def resolution_s(self) -> float:
        """Seconds by which a reading may be late or early."""

    @property
    def resolution_j(self) -> float:
        """Joules that the smallest step of a reading stands for."""

    def energy_j(self) -> float:
        """Joules since it was opened; never falls.

        Raises:
            PartwayError: the sensor failed since then.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def uncertainty_j(meter: PowerMeter, energy_j: float, span_s: float) -> float:
    """Joules by which a span's reading may be off, for the meter's coarseness alone.

    A reading is up to one refresh late, at either end, and jumps by whole steps. Over a span that is too short
    this is more than the joules themselves: repeat the work until it is a small share of them.

    Args:
        meter: what read them.
        energy_j: joules of the span, >= 0.
        span_s: its seconds, > 0.
    """
    return meter.resolution_j + energy_j * meter.resolution_s / span_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A meter that this machine has and that cannot be used now.

    Attributes:
        name: the meter, or the family of meters.
        found: what stands in the way.
        remedy: what to do about it.
    """

    name: str
    found: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMeters:
    """What a machine offers to meter joules with.

    Attributes:
        meters: those that can be opened, the widest of each family first.
        obstacles: those that cannot.
    """

    meters: tuple["Meter", ...] = ()
    obstacles: tuple[Obstacle, ...] = ()


class Counter:
    """Joules from a sensor that counts them.

    Args:
        read_j: the count.
        wraps_at_j: where it starts anew from 0; None where it does not. Must be called at least once a turn.
    """

    def __init__(self, read_j: Callable[[], float], *, wraps_at_j: float | None = None) -> None:
        self._read_j = read_j
        self._wraps_at_j = wraps_at_j
        self._last_j = read_j()
        self._total_j = 0.0

    def __call__(self) -> float:
        """Joules since it was made."""
        now_j = self._read_j()
        step_j = now_j - self._last_j
        if step_j < 0 and self._wraps_at_j is not None:
            step_j += self._wraps_at_j
        self._total_j += max(step_j, 0.0)  # a count that fell without a turn was set back: nothing is known of it
        self._last_j = now_j
        return self._total_j


class Integral:
    """Joules from a sensor that tells watts: the trapezoids between readings.

    Args:
        read_w: watts of the moment, >= 0.
        clock: seconds, monotonic.
    """

    def __init__(self, read_w: Callable[[], float], clock: Clock) -> None:
        self._read_w = read_w
        self._clock = clock
        self._last_w = read_w()
        self._last_s = clock()
        self._total_j = 0.0

    def __call__(self) -> float:
        """Joules since it was made, the watts of this moment included."""
        now_w, now_s = self._read_w(), self._clock()
        self._total_j += (now_w + self._last_w) / 2 * (now_s - self._last_s)
        self._last_w, self._last_s = now_w, now_s
        return self._total_j


class Meter:
    """A power meter over one sensor; see `PowerMeter` for what its properties mean.

    Args:
        name: what to call it.
        scope: what its joules are of.
        start: takes the first reading and gives a function that tells joules since then.
        resolution_s: seconds by which a reading may be late.
        resolution_j: joules of the smallest step.
        poll_s: read this often while open, from a thread; None where readings at the ends of a span are enough.
        kind: measured or constant.
        part_of: name of the meter that holds this one's joules.
    """

    def __init__(
        self,
        *,
        name: str,
        scope: str,
        start: Callable[[], Callable[[], float]],
        resolution_s: float,
        resolution_j: float = 0.0,
        poll_s: float | None = None,
        kind: Kind = "measured",
        part_of: str | None = None,
    ) -> None:
        self.name = name
        self.scope = scope
        self.kind: Kind = kind
        self.part_of = part_of
        self.resolution_s = resolution_s
        self.resolution_j = resolution_j
        self._start = start
        self._poll_s = poll_s
        self._total: Callable[[], float] | None = None
        self._failure: PartwayError | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Take the first reading and begin to count.

        Raises:
            PartwayError: the sensor cannot be read.
        """
        self._failure = None
        self._closed.clear()
        try:
            self._total = self._start()
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        if self._poll_s is not None:
            self._thread = threading.Thread(target=self._poll, name=f"partway-meter-{self.name}", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop counting."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._total = None

    def energy_j(self) -> float:
        """Joules since it was opened; never falls.

        Raises:
            PartwayError: the sensor failed since then, so that what it counted is worth nothing.
        """
        with self._lock:
            if self._total is None:
                raise RuntimeError(f"the power meter {self.name} is closed; open it with `with`")
            if self._failure is not None:
                raise self._failure
            try:
                return self._total()
            except (OSError, ValueError) as error:
                self._failure = self._unreadable(error)
                raise self._failure from error
            except PartwayError as error:
                self._failure = error
                raise

    def _poll(self) -> None:
        while not self._closed.wait(self._poll_s):
            try:
                self.energy_j()
            except PartwayError as error:  # whoever reads the meter next is told
                logger.warning("power_meter_failed name=%s error=%s", self.name, error)
                return

    def _unreadable(self, error: Exception) -> PartwayError:
        return PartwayError(
            f"the power meter {self.name} cannot be read ({error}); measure without it, or see `partway doctor`"
        )
