"""Links whose rate varies: a CSV file of measured bandwidth comes in, a lookup by time leaves.

Called by link descriptions, and by the emulator, for which a constant rate is a trace of one row.
"""

import bisect
import csv
import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from partway.documents import read_text
from partway.errors import LinkError
from partway.link.state import Link, check_rate, check_rtt
from partway.units import parse_rate

# Measured traces hold seconds at 0. A rate of 0 would make one transfer last for ever, so a trace file's
# rows are lifted to this floor, under which TCP itself would give up.
FLOOR_BYTES_PER_S = parse_rate("50kbit/s")

# About a million rows: longer than any measurement, small enough to read at once.
MAX_FILE_BYTES = 16 * 2**20

_COLUMNS = ("t_s", "mbps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A rate over time, constant from each row to the next, repeated for ever.

    The last row lasts as long as the one before it; a single row is a constant rate.

    Attributes:
        starts_s: when each row begins, in seconds: the first 0, then strictly increasing.
        rates_bytes_per_s: the rate from then on, bytes per second, above 0; as many as `starts_s`.
        duration_s: seconds until the trace begins anew.

    Raises:
        LinkError: no rows, times that do not increase from 0, or a rate that is not above 0.
    """

    starts_s: tuple[float, ...]
    rates_bytes_per_s: tuple[float, ...]
    duration_s: float = field(init=False)
    _sent_bytes: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.starts_s or len(self.starts_s) != len(self.rates_bytes_per_s):
            raise LinkError(
                f"a trace has {len(self.starts_s)} times and {len(self.rates_bytes_per_s)} rates; "
                "give one rate for each time, and at least one"
            )
        if self.starts_s[0] != 0 or not math.isfinite(self.starts_s[-1]):
            raise LinkError(f"a trace runs from {self.starts_s[0]:g} s to {self.starts_s[-1]:g} s; begin it at 0")
        for before_s, after_s in itertools.pairwise(self.starts_s):
            if not after_s > before_s:
                raise LinkError(f"a trace goes from {before_s:g} s to {after_s:g} s; its times must increase")
        for rate in self.rates_bytes_per_s:
            check_rate("trace's", rate)
        last_s = self.starts_s[-1] - self.starts_s[-2] if len(self.starts_s) > 1 else 1.0
        ends_s = (*self.starts_s[1:], self.starts_s[-1] + last_s)
        sent = (
            (end_s - start_s) * rate
            for start_s, end_s, rate in zip(self.starts_s, ends_s, self.rates_bytes_per_s, strict=True)
        )
        object.__setattr__(self, "duration_s", ends_s[-1])
        object.__setattr__(self, "_sent_bytes", tuple(itertools.accumulate(sent, initial=0.0)))

    @classmethod
    def constant(cls, rate_bytes_per_s: float) -> "Trace":
        """The trace that has one rate for ever.

        Raises:
            LinkError: the rate is not finite, or not above 0.
        """
        return cls(starts_s=(0.0,), rates_bytes_per_s=(rate_bytes_per_s,))

    def rate_at(self, t_s: float) -> float:
        """The rate `t_s` seconds after the trace began, in bytes per second."""
        return self.rates_bytes_per_s[bisect.bisect_right(self.starts_s, t_s % self.duration_s) - 1]

    def finish_s(self, start_s: float, size_bytes: float) -> float:
        """When the last of `size_bytes` has been sent, if the first is sent at `start_s`.

        Exact through any number of rows and repetitions: it inverts the integral of the rate.

        Args:
            start_s: seconds since the trace began.
            size_bytes: bytes to send, at least 0.
        """
        if len(self.starts_s) == 1:
            return start_s + size_bytes / self.rates_bytes_per_s[0]
        position_s = start_s % self.duration_s
        row = bisect.bisect_right(self.starts_s, position_s) - 1
        room_bytes = self._sent_bytes[row + 1] - self._sent_bytes[row]
        room_bytes -= (position_s - self.starts_s[row]) * self.rates_bytes_per_s[row]
        if size_bytes <= room_bytes:
            return start_s + size_bytes / self.rates_bytes_per_s[row]
        target_bytes = self._sent_bytes[row + 1] - room_bytes + size_bytes
        laps, rest_bytes = divmod(target_bytes, self._sent_bytes[-1])
        row = min(bisect.bisect_right(self._sent_bytes, rest_bytes), len(self.starts_s)) - 1
        end_s = self.starts_s[row] + (rest_bytes - self._sent_bytes[row]) / self.rates_bytes_per_s[row]
        return max(start_s, start_s - position_s + laps * self.duration_s + end_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTrace:
    """A link whose rates follow traces; each way repeats on its own.

    Attributes:
        uplink: the rate from device to server.
        downlink: the rate from server to device.
        rtt_s: the round trip time, which does not vary, in seconds.

    Raises:
        LinkError: the round trip time is not finite, or below 0.
    """

    uplink: Trace
    downlink: Trace
    rtt_s: float

    def __post_init__(self) -> None:
        check_rtt(self.rtt_s)

    @classmethod
    def constant(cls, link: Link) -> "LinkTrace":
        """The trace that stays as `link` for ever."""
        return cls(
            uplink=Trace.constant(link.uplink_bytes_per_s),
            downlink=Trace.constant(link.downlink_bytes_per_s),
            rtt_s=link.rtt_s,
        )

    @property
    def duration_s(self) -> float:
        """Seconds until both ways have been through their trace once."""
        return max(self.uplink.duration_s, self.downlink.duration_s)

    def at(self, t_s: float) -> Link:
        """The link as it is `t_s` seconds after the trace began."""
        return Link(
            uplink_bytes_per_s=self.uplink.rate_at(t_s),
            downlink_bytes_per_s=self.downlink.rate_at(t_s),
            rtt_s=self.rtt_s,
        )


def read_trace(path: Path) -> Trace:
    """The trace in a CSV file with the columns `t_s` (seconds) and `mbps` (1e6 bit/s).

    Times need not begin at 0: the first row is the trace's beginning. Rates under 50 kbit/s, zeros among
    them, are lifted to that floor.

    Raises:
        LinkError: the file cannot be read, is too large, or a line is not as expected; the message has
            the line's number.
    """
    expected = f"a CSV trace of {','.join(_COLUMNS)}"
    text = read_text(path, expected, most_bytes=MAX_FILE_BYTES, failure=LinkError)
    try:
        rows = tuple(_parse_rows(path, text))
    except csv.Error as error:
        raise LinkError(f"{path} is no CSV trace ({error}); expected rows of {','.join(_COLUMNS)}") from error
    if not rows:
        raise LinkError(f"{path} has no rows; expected at least one of {','.join(_COLUMNS)}")
    first_s = rows[0][0]
    return Trace(starts_s=tuple(t_s - first_s for t_s, _ in rows), rates_bytes_per_s=tuple(rate for _, rate in rows))


def _parse_rows(path: Path, text: str) -> Iterator[tuple[float, float]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(lines, [])]
    if any(header.count(column) != 1 for column in _COLUMNS):
        raise LinkError(f"{path} line 1 has the columns {','.join(header)!r}; expected {','.join(_COLUMNS)}")
    time_column, rate_column = (header.index(column) for column in _COLUMNS)
    last_s = -math.inf
    for cells in lines:
        number = lines.line_num
        if not cells:
            continue
        try:
            t_s, mbps = float(cells[time_column]), float(cells[rate_column])
        except (ValueError, IndexError):
            raise LinkError(f"{path} line {number} is {','.join(cells)!r}; expected two numbers") from None
        if not (math.isfinite(t_s) and math.isfinite(mbps) and mbps >= 0):
            raise LinkError(f"{path} line {number} is {t_s:g} s, {mbps:g} Mbit/s; expected finite, not negative")
        if t_s <= last_s:
            raise LinkError(f"{path} line {number} is at {t_s:g} s, after {last_s:g} s; times must increase")
        last_s = t_s
        yield t_s, max(mbps * 1e6 / 8, FLOOR_BYTES_PER_S)
