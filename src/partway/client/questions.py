"""When to ask the server something that no request needs, and how much to send along.

    nothing was heard for a while    its load is out of date                        ask, nearly empty
    the round trip is not known      one size repeats, or nothing is sent           ask, nearly empty
    the link is another one          its round trip may be, too                      ask, nearly empty
    the uplink is not known          nothing of its size was sent lately            ask, with padding
    an answer came sooner            whoever did not know stayed away               ask on at once, with padding

Input: the link as it is believed to be, and when something was last heard. Output: the padding of a question, or none.
Called by the observer, which locks.
"""

import math

from partway.client.budget import Budget
from partway.engine import Clock
from partway.link import Link, LinkEstimate

QUESTION_BYTES = 1024
"""What a question takes without padding, for the budget: names of some twenty cuts, and its headers."""

_SHARE, _WINDOW_S, _GAP_S = 0.02, 60.0, 1.0
_HEARD_LATELY_S, _SMALL_EVERY_S = 1.0, 5.0
_FORGOTTEN_S = 10.0  # a link of which nothing was heard for so long is asked, whatever it takes
_MUCH_QUICKER, _MOST_FOLLOWED, _FOLLOWING_PROBE_S = math.log(2.0), 4, 0.2
_KNOWN_SPREAD = 0.3  # give or take a third: beyond, neighbouring cuts cannot be told apart
_NEGLIGIBLE_S = 0.002  # of a round trip: both ends' threads are late by as much
_LEAST_PROBE_S, _MOST_PROBE_S, _PROBE_OVER_RTT = 0.03, 0.05, 0.5
_LEAST_PADDING_BYTES, _MOST_PADDING_BYTES = 1_024, 262_144
_AS_EXPECTED = 0.25  # what moved by less than that taught nothing
_MOVED = 0.15  # since the round trip was asked for: one size that repeats cannot tell which of the two it was
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 4.0


class Questions:
    """Decides when to ask, within a budget.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._budget = Budget(share=_SHARE, window_s=_WINDOW_S, least_gap_s=_GAP_S, clock=clock)
        self._pause_s = _FIRST_PAUSE_S
        self._next_padded_s = -math.inf
        self._padded = True
        self._last_small_s = -math.inf
        self._asked_at: Link | None = None
        self._quicker, self._followed = False, 0
        self._small_at: Link | None = None

    def next(self, link: LinkEstimate, *, heard_s: float) -> int | None:
        """Bytes to send along with a question now; None where none is worth it or within the budget.

        Args:
            link: as it is believed to be.
            heard_s: when the server last answered anything.
        """
        now_s = self._clock()
        self._followed = 0
        moved = self._small_at is not None and _apart(link.link, self._small_at) >= _MOVED
        padding_bytes = 0 if moved and (self._padded or not _rtt_known(link)) else self._padding(link, now_s)
        idle = now_s - heard_s >= _HEARD_LATELY_S
        small = now_s - self._last_small_s >= _SMALL_EVERY_S or not _rtt_known(link) or moved
        if not (padding_bytes or idle or small):
            return None
        rate = link.link.uplink_bytes_per_s
        if padding_bytes and self._budget.take((QUESTION_BYTES + padding_bytes) / rate):
            return self._pad(link, padding_bytes, now_s)
        forgotten = now_s - max(heard_s, self._last_small_s) >= _FORGOTTEN_S
        if not self._budget.take(QUESTION_BYTES / rate, pressing=forgotten):
            return None
        self._padded, self._last_small_s = False, now_s
        self._asked_at = self._small_at = link.link
        return 0

    def follow_up(self, link: LinkEstimate) -> int | None:
        """Right after a question was answered: bytes to send along with another, if the link was quicker than believed.

        Whoever did not know stayed away from it, and how much quicker it is shows with more bytes only.

        Args:
            link: as it is believed to be since.
        """
        if not self._quicker or self._followed >= _MOST_FOLLOWED:
            return None
        self._followed += 1
        rate = link.link.uplink_bytes_per_s
        padding_bytes = _sized(_FOLLOWING_PROBE_S * rate)
        self._budget.take((QUESTION_BYTES + padding_bytes) / rate, pressing=True)
        return self._pad(link, padding_bytes, self._clock())

    def spare(self, link: LinkEstimate) -> bool:
        """Whether the budget has room for a question, nearly empty, that the link needs none of; if so, it counts.

        Args:
            link: as it is believed to be.
        """
        return self._budget.take(QUESTION_BYTES / link.link.uplink_bytes_per_s)

    def answered(self, link: LinkEstimate) -> None:
        """Something came back: whether the question before it was worth its bytes, and what it said a surprise.

        Args:
            link: as it is believed to be since.
        """
        if self._asked_at is None:
            return
        surprised = _apart(link.link, self._asked_at) >= _AS_EXPECTED
        self._quicker = _quicker(link.link, self._asked_at) >= _MUCH_QUICKER
        self._asked_at = None
        if surprised or not link.uplink_observed:
            self._pause_s, self._next_padded_s = _FIRST_PAUSE_S, -math.inf
        elif self._padded:
            self._pause_s = min(_LONGEST_PAUSE_S, 2.0 * self._pause_s)

    def _padding(self, link: LinkEstimate, now_s: float) -> int:
        # A round trip that is not known would spoil what the padding tells: then sizes have to vary.
        known = link.uplink_spread <= _KNOWN_SPREAD if _rtt_known(link) else self._padded
        if known or now_s < self._next_padded_s:
            return 0
        # Long enough to stand out from the round trip's own scatter, and from what threads are late by.
        probe_s = min(_MOST_PROBE_S, max(_LEAST_PROBE_S, _PROBE_OVER_RTT * link.link.rtt_s))
        return _sized(probe_s * link.link.uplink_bytes_per_s)

    def _pad(self, link: LinkEstimate, padding_bytes: int, now_s: float) -> int:
        self._next_padded_s, self._padded = now_s + self._pause_s, True
        self._asked_at, self._quicker = link.link, False
        return padding_bytes


def _rtt_known(link: LinkEstimate) -> bool:
    return link.rtt_spread <= _KNOWN_SPREAD or link.rtt_spread * link.link.rtt_s <= _NEGLIGIBLE_S


def _sized(padding_bytes: float) -> int:
    return int(min(_MOST_PADDING_BYTES, max(_LEAST_PADDING_BYTES, padding_bytes)))


def _quicker(one: Link, other: Link) -> float:
    return max(math.log(other.rtt_s / one.rtt_s), math.log(one.uplink_bytes_per_s / other.uplink_bytes_per_s))


def _apart(one: Link, other: Link) -> float:
    return max(_quicker(one, other), _quicker(other, one))
