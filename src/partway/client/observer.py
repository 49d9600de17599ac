"""What the client has seen of the world: link, server load, its own speed.

Input: one observation per transfer, answer and head. Output: the `Conditions` of the next decision.
Safe to call from several threads; clocks are handed in.
"""

import math
import threading

import numpy as np

from partway.client.load_view import LoadView
from partway.client.questions import Questions
from partway.engine import Clock
from partway.link import Link, LinkEstimate, LinkEstimator, Transfer
from partway.planning import Conditions
from partway.wire import Load

_TELLING_SHARE = 0.3  # of the time that an answer was to take: its request's bytes, if their lateness is to tell
_MOST_SLOWER = 4.0  # than believed, by one question without an answer
_DEVICE_GAIN = 0.2
_CROWDED_GAIN = 0.02  # of heads beside others: they tell of the crowd, and little of the device
_DEVICE_HALF_LIFE_S = 30.0  # a correction that no head confirms: else a slow moment could end all heads for good
_DEVICE_STEP = math.log(2.0)  # the most of one head that is believed: a single slow one may be somebody else's doing
_DEVICE_BOUND = math.log(8.0)  # a device eight times off its measurement is measured wrongly


class Observer:
    """Learns from what happens, says what to expect, and what to ask about.

    Args:
        prior: the link to believe in before anything was sent.
        clock: seconds, monotonic.
        generator: draws how far load is believed, so that many clients do not move at once.
    """

    def __init__(self, *, prior: Link, clock: Clock, generator: np.random.Generator) -> None:
        self._clock = clock
        self._estimator = LinkEstimator(prior)
        self._load = LoadView(clock=clock, generator=generator)
        self._questions = Questions(clock)
        self._device_log, self._device_s = 0.0, -math.inf
        self._lock = threading.Lock()

    @property
    def link(self) -> LinkEstimate:
        """The link as it is believed to be now."""
        with self._lock:
            return self._estimator.estimate(self._clock())

    @property
    def queue_reported_s(self) -> float | None:
        """The queue delay that the server reported last, as it came; None before it reported any."""
        with self._lock:
            return self._load.reported_s

    def next_question(self) -> int | None:
        """Bytes to send along with a question to the server now; None where none is worth it, or within the budget.

        A device that never offloads would otherwise never learn that it should, and one that always sends the same
        could not tell the round trip from the rate.
        """
        with self._lock:
            return self._questions.next(self._estimator.estimate(self._clock()), heard_s=self._load.heard_s)

    def follow_up(self) -> int | None:
        """Right after a question was answered: as `next_question`, if the link is quicker than was believed."""
        with self._lock:
            return self._questions.follow_up(self._estimator.estimate(self._clock()))

    def spare_question(self) -> bool:
        """Whether a question that the link needs none of, as for costs, is within the budget now; if so, it counts."""
        with self._lock:
            return self._questions.spare(self._estimator.estimate(self._clock()))

    def conditions(self) -> Conditions:
        """What to expect of a request that is decided now."""
        with self._lock:
            link = self._estimator.estimate(self._clock()).link
            return Conditions(
                uplink_bytes_per_s=link.uplink_bytes_per_s,
                downlink_bytes_per_s=link.downlink_bytes_per_s,
                rtt_s=link.rtt_s,
                queue_delay_s=self._load.queue_delay_s(),
                slowdown=self._load.slowdown(),
                device_factor=math.exp(self._faded_device_log()),
            )

    def saw_answer(
        self, *, up_bytes: int, down_bytes: int, network_s: float, load: Load | None, fresh: bool = False
    ) -> None:
        """An answer came.

        Args:
            up_bytes: length of the request.
            down_bytes: length of the answer.
            network_s: round trip less the server's residence.
            load: the server's report.
            fresh: whether it was the first over its connection.
        """
        with self._lock:
            now_s = self._clock()
            self._estimator.observe(
                Transfer(at_s=now_s, up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s, fresh=fresh)
            )
            self._questions.answered(self._estimator.estimate(now_s))
            if load is not None:
                self._load.saw(load)

    def saw_silence(self, *, up_bytes: int, waited_s: float, rest_s: float | None = None, queue_s: float = 0.0) -> None:
        """No answer came for as long as it was waited for: the link is at most so fast, or the queue at least so long.

        What the server, its queue, the round trip and the answer were to take is no time of the request's bytes; and
        where those were to take little of it all, the link is hardly why it was late, and it is put down to the queue.
        Else the queue is hardly why: a server of Partway's would have turned the request away, unless joules count.

        Args:
            up_bytes: length of the request.
            waited_s: how long that was.
            rest_s: of it, what all but the request's bytes was expected to take; None of a question, which takes the
                round trip. It waits longer than its few bytes say anything about: in a tunnel, the rate would fall to
                nearly none, and the budget for questions with it.
            queue_s: of `rest_s`, the queue.
        """
        with self._lock:
            now_s = self._clock()
            link = self._estimator.estimate(now_s).link
            up_s = up_bytes / link.uplink_bytes_per_s
            asked = rest_s is None
            if rest_s is None:
                rest_s = link.rtt_s
                waited_s = min(waited_s, rest_s + _MOST_SLOWER * up_s)
            telling = up_s >= _TELLING_SHARE * (up_s + rest_s)
            if telling:
                self._estimator.observe_timeout(at_s=now_s, up_bytes=up_bytes, waited_s=waited_s - rest_s)
            elif not asked:
                self._load.overdue(waited_s - (up_s + rest_s - queue_s))

    def saw_head(self, *, expected_s: float, took_s: float, alone: bool) -> None:
        """A head ran on the device: slow and bounded correction of what it is expected to take.

        It is forgotten by half in 30 s, so that a device that was taken to be slow is tried again.

        Args:
            expected_s: the table's seconds, uncorrected.
            took_s: what it took.
            alone: whether no other request ran beside it.
        """
        if expected_s <= 0.0 or took_s <= 0.0:
            return
        gain = _DEVICE_GAIN if alone else _CROWDED_GAIN
        with self._lock:
            known = self._faded_device_log()
            step = math.log(took_s / expected_s) - known
            moved = known + gain * min(_DEVICE_STEP, max(-_DEVICE_STEP, step))
            self._device_log = min(_DEVICE_BOUND, max(-_DEVICE_BOUND, moved))
            self._device_s = self._clock()

    def _faded_device_log(self) -> float:
        return self._device_log * math.exp2(-max(0.0, self._clock() - self._device_s) / _DEVICE_HALF_LIFE_S)
