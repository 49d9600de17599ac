"""Links that change while a fleet is played: rates and round trip as numbers that hold for a stretch of time each.

In come links, traces, and lists of links with the time from which each holds; out come `LinkPath`s. Called by scenarios
and fleets.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from partway.errors import InputError
from partway.link import Link, LinkTrace, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A number that is another one from time to time.

    Attributes:
        starts_s: when each stretch begins: the first at 0, then increasing.
        values: from then on, as many.
        period_s: when it begins anew, after the last start; infinite for never.

    Raises:
        InputError: times do not increase from 0, there are not as many values, or the period ends too early.
    """

    starts_s: tuple[float, ...]
    values: tuple[float, ...]
    period_s: float = math.inf

    def __post_init__(self) -> None:
        if not self.starts_s or len(self.starts_s) != len(self.values) or self.starts_s[0] != 0:
            raise InputError(
                f"a series has {len(self.starts_s)} times and {len(self.values)} values; "
                "give one for each, from time 0 on"
            )
        if not all(before_s < after_s for before_s, after_s in itertools.pairwise((*self.starts_s, self.period_s))):
            raise InputError("the times of a series must increase, and its period must end after the last")

    @classmethod
    def constant(cls, value: float) -> "Series":
        """The series that never changes."""
        return cls(starts_s=(0.0,), values=(value,))

    @classmethod
    def of(cls, trace: Trace) -> "Series":
        """A trace of a link, in bytes per second."""
        if len(trace.starts_s) == 1:
            return cls.constant(trace.rates_bytes_per_s[0])
        return cls(starts_s=trace.starts_s, values=trace.rates_bytes_per_s, period_s=trace.duration_s)

    def at(self, t_s: float) -> float:
        """The value at a time."""
        position_s = t_s % self.period_s if self.period_s < math.inf else t_s
        later = [place for place, start_s in enumerate(self.starts_s) if start_s > position_s]
        return self.values[(later[0] if later else len(self.values)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPath:
    """What a link is over time; a device knows it as it is at the moment.

    Attributes:
        uplink_bytes_per_s: from device to server.
        downlink_bytes_per_s: from server to device.
        rtt_s: round trip of an empty message.
    """

    uplink_bytes_per_s: Series
    downlink_bytes_per_s: Series
    rtt_s: Series

    @classmethod
    def of(cls, link: Link | LinkTrace) -> "LinkPath":
        """A link that stays, or a trace, round and round."""
        if isinstance(link, Link):
            return cls.changing([(0.0, link)])
        return cls(
            uplink_bytes_per_s=Series.of(link.uplink),
            downlink_bytes_per_s=Series.of(link.downlink),
            rtt_s=Series.constant(link.rtt_s),
        )

    @classmethod
    def changing(cls, links: Sequence[tuple[float, Link]]) -> "LinkPath":
        """Links that follow each other; the last stays.

        Args:
            links: from when on each holds, in seconds; the first at 0, then increasing.

        Raises:
            InputError: times do not increase from 0.
        """
        starts_s = tuple(start_s for start_s, _ in links)
        return cls(
            uplink_bytes_per_s=Series(starts_s=starts_s, values=tuple(link.uplink_bytes_per_s for _, link in links)),
            downlink_bytes_per_s=Series(
                starts_s=starts_s, values=tuple(link.downlink_bytes_per_s for _, link in links)
            ),
            rtt_s=Series(starts_s=starts_s, values=tuple(link.rtt_s for _, link in links)),
        )

    def at(self, t_s: float) -> Link:
        """The link at a time."""
        return Link(
            uplink_bytes_per_s=self.uplink_bytes_per_s.at(t_s),
            downlink_bytes_per_s=self.downlink_bytes_per_s.at(t_s),
            rtt_s=self.rtt_s.at(t_s),
        )

    @property
    def series(self) -> tuple[Series, Series, Series]:
        """Uplink, downlink, round trip."""
        return self.uplink_bytes_per_s, self.downlink_bytes_per_s, self.rtt_s
