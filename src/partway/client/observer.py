"""What the client has seen of the world: link, server load, its own speed.

Input: one observation per transfer, answer and head. Output: the `Conditions` of the next decision.
Safe to call from several threads; clocks are handed in.
"""

import math
import threading
from dataclasses import replace

import numpy as np

from partway.engine import Clock
from partway.link import Link, LinkEstimate, LinkEstimator, Transfer
from partway.planning import Conditions
from partway.wire import Load

_LOAD_LASTS_S = 5.0  # an older report says nothing of a queue that moves in milliseconds
_DEVICE_GAIN = 0.2
_DEVICE_BOUND = math.log(8.0)  # a device eight times off its measurement is measured wrongly
_PROBE_S, _SMALLEST_PROBE_BYTES, _LARGEST_PROBE_BYTES = 0.1, 8_192, 262_144
_PROBE_EVERY_S = 2.0
_LONGER_PROBE, _LONGEST_PROBE = 4.0, 64.0  # after one that was over too soon to tell much


class Observer:
    """Learns from what happens and says what to expect.

    Args:
        prior: the link to believe in before anything was sent.
        clock: seconds, monotonic.
        generator: jitters the pauses after failures, so that many clients do not return at once.
    """

    def __init__(self, *, prior: Link, clock: Clock, generator: np.random.Generator) -> None:
        self._clock = clock
        self._generator = generator
        self._prior = prior
        self._estimator = LinkEstimator(prior)
        self._uplink_told_s = -math.inf
        self._probe_factor = 1.0
        self._load: tuple[float, Load] | None = None
        self._device_log = 0.0
        self._lock = threading.Lock()

    @property
    def link(self) -> LinkEstimate:
        """The link as it is believed to be now."""
        with self._lock:
            return self._estimate(self._clock())

    def probe_bytes(self) -> int:
        """How many bytes to send along with the next question, to learn the uplink; 0 when it is known or comes first.

        A device that never offloads would otherwise never learn that it should, or that the link is better now:
        a tenth of a second's worth as far as the rate is known, every two seconds, and nothing for as long as
        real transfers tell. What contradicts the estimate is looked into at once.
        """
        estimate = self.link
        told_lately = self._clock() - self._uplink_told_s < _PROBE_EVERY_S
        if (estimate.uplink_observed and told_lately) or not estimate.rtt_observed:
            return 0
        wanted = _PROBE_S * estimate.link.uplink_bytes_per_s * self._probe_factor
        return int(min(_LARGEST_PROBE_BYTES, max(_SMALLEST_PROBE_BYTES, wanted)))

    def conditions(self) -> Conditions:
        """What to expect of a request that is decided now."""
        with self._lock:
            now_s = self._clock()
            link = self._estimate(now_s).link
            queue_delay_s, slowdown = 0.0, 1.0
            if self._load is not None and now_s - self._load[0] <= _LOAD_LASTS_S:
                queue_delay_s, slowdown = self._load[1].queue_delay_s, self._load[1].slowdown
            return Conditions(
                uplink_bytes_per_s=link.uplink_bytes_per_s,
                downlink_bytes_per_s=link.downlink_bytes_per_s,
                rtt_s=link.rtt_s,
                queue_delay_s=queue_delay_s,
                slowdown=slowdown,
                device_factor=math.exp(self._device_log),
            )

    def saw_answer(self, *, up_bytes: int, down_bytes: int, network_s: float, load: Load | None) -> None:
        """An answer came.

        Args:
            up_bytes: length of the request.
            down_bytes: length of the answer.
            network_s: round trip less the server's residence.
            load: the server's report.
        """
        with self._lock:
            now_s = self._clock()
            if up_bytes >= _SMALLEST_PROBE_BYTES:
                self._note_rate(up_bytes, network_s, now_s)
            self._estimator.observe(Transfer(at_s=now_s, up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s))
            if load is not None:
                self._load = now_s, load

    def saw_silence(self, *, up_bytes: int, waited_s: float) -> None:
        """No answer came for as long as it was waited for: the link is at most so fast.

        Args:
            up_bytes: length of the request.
            waited_s: how long that was.
        """
        with self._lock:
            self._estimator.observe_timeout(at_s=self._clock(), up_bytes=up_bytes, waited_s=waited_s)

    def saw_head(self, *, expected_s: float, took_s: float) -> None:
        """A head ran on the device: slow and bounded correction of what it is expected to take.

        Args:
            expected_s: the table's seconds, uncorrected.
            took_s: what it took.
        """
        if expected_s <= 0.0 or took_s <= 0.0:
            return
        with self._lock:
            step = math.log(took_s / expected_s) - self._device_log
            moved = self._device_log + _DEVICE_GAIN * step
            self._device_log = min(_DEVICE_BOUND, max(-_DEVICE_BOUND, moved))

    def _note_rate(self, up_bytes: int, network_s: float, now_s: float) -> None:
        link = self._estimator.estimate(now_s).link
        surprise = network_s / (link.rtt_s + up_bytes / link.uplink_bytes_per_s)
        self._uplink_told_s = now_s if 0.5 < surprise < 2.0 else -math.inf
        self._probe_factor = min(_LONGEST_PROBE, self._probe_factor * _LONGER_PROBE) if surprise <= 0.5 else 1.0

    def _estimate(self, now_s: float) -> LinkEstimate:
        estimate = self._estimator.estimate(now_s)
        if estimate.downlink_observed or not estimate.uplink_observed:
            return estimate
        # A device that only probes never sees a downlink. It is thought to be as much better or worse than
        # expected as the uplink is, both being one radio's, until an answer tells.
        better = estimate.link.uplink_bytes_per_s / self._prior.uplink_bytes_per_s
        link = replace(estimate.link, downlink_bytes_per_s=self._prior.downlink_bytes_per_s * better)
        return replace(estimate, link=link)
