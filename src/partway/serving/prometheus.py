"""Metrics for Prometheus, in a registry of the server's own.

Input: what the server counts, and its state when it is asked. Output: the page of `/metrics`. Labels take few values:
faces, statuses, and the names of models that are served. Called by the server where the REST face is on.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from partway.serving.metrics import Ended, ServerState

# From a piece that is all but free to a large model on a slow server, four a decade.
_SECONDS = (0.0003, 0.0006, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3, 0.6, 1.0, 3.0, 10.0)
_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)


class PrometheusMetrics:
    """Counts, and writes the page.

    Args:
        state: of the server, asked each time the page is.
    """

    def __init__(self, state: Callable[[], ServerState]) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_StateCollector(state))
        by = ("face", "model", "status")
        self._requests = Counter("partway_requests", "Requests that have ended.", by, registry=registry)
        self._received = Counter("partway_received_bytes", "Bytes of messages.", by[:2], registry=registry)
        self._sent = Counter("partway_sent_bytes", "Bytes of answers.", by[:2], registry=registry)
        self._queue = Histogram(
            "partway_queue_seconds", "What answered requests waited.", by[:2], buckets=_SECONDS, registry=registry
        )
        self._service = Histogram(
            "partway_service_seconds", "What answered requests took.", by[:2], buckets=_SECONDS, registry=registry
        )
        self._batches = Histogram(
            "partway_batch_requests", "Requests answered by one run.", buckets=_BATCHES, registry=registry
        )
        self._turned_away = Counter(
            "partway_turned_away", "Requests that would have waited longer than they may.", by[:2], registry=registry
        )

    def request(self, ended: Ended) -> None:
        """Count a request that has ended."""
        where = (ended.face, ended.model)
        self._requests.labels(*where, ended.status).inc()
        self._received.labels(*where).inc(ended.received_bytes)
        self._sent.labels(*where).inc(ended.sent_bytes)
        if ended.turned_away:
            self._turned_away.labels(*where).inc()
        elif ended.load is not None:
            self._queue.labels(*where).observe(ended.load.queue_s)
            self._service.labels(*where).observe(ended.load.service_s)

    def batch(self, size: int) -> None:
        """Count one run of the runtime."""
        self._batches.observe(size)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its content type.

        Args:
            accept: the header of that name: what who asks can read.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _StateCollector(Collector):
    def __init__(self, state: Callable[[], ServerState]) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state = self._state()
        for name, text, value in (
            ("requests_in_flight", "Requests that are not answered yet.", state.requests),
            ("in_flight_bytes", "Bytes of their messages.", state.held_bytes),
            ("queue_requests", "Requests that wait for their turn.", state.waiting),
            ("queue_delay_seconds", "What a request that arrives now would wait.", state.load.queue_delay_s),
            ("slowdown_ratio", "How many times longer than unloaded pieces take now.", state.load.slowdown),
            ("pieces", "Pieces that are kept ready to run.", state.pieces),
            ("models", "Model files that are served.", state.models),
            ("models_ready", "Model files that are ready to run.", state.models_ready),
            ("ready", "Whether the server accepts requests.", float(state.ready)),
        ):
            yield GaugeMetricFamily(f"partway_{name}", text, value)
