"""What the server counts, in words that need no library.

Input: requests as they end, batches as they run. Output: whatever the implementation makes of them; `NullMetrics`
makes nothing, `prometheus` a page. Called by the journal and by whatever runs batches.
"""

from dataclasses import dataclass
from typing import Protocol

from partway.wire import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One request that has ended, well or not.

    Attributes:
        face: it came to: `grpc` or `rest`.
        model: a name that this server serves, or `other`.
        status: as the face named it, or `CANCELLED`.
        received_bytes: of its message, as far as it came.
        sent_bytes: of the answer; 0 for a refusal.
        load: what the answer said; None for a refusal.
        turned_away: whether it said no more than that: the queue was longer than the request may wait.
    """

    face: str
    model: str
    status: str
    received_bytes: int
    sent_bytes: int
    load: Load | None
    turned_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What the server is like at one moment.

    Attributes:
        requests: not answered yet.
        held_bytes: of their messages.
        waiting: requests in the queue.
        load: what a request would find now.
        pieces: sessions that are kept.
        models: files that are served.
        models_ready: those of them that can be run.
        ready: whether the server as a whole is.
    """

    requests: int
    held_bytes: int
    waiting: int
    load: Load
    pieces: int
    models: int
    models_ready: int
    ready: bool


class Metrics(Protocol):
    """Takes in what happens; called from several threads, and quick."""

    def request(self, ended: Ended) -> None:
        """Count a request that has ended."""

    def batch(self, size: int) -> None:
        """Count one run of the runtime.

        Args:
            size: requests that it answers at once, 1 for one alone.
        """

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """All of it, and its content type.

        Args:
            accept: the header of that name: what who asks can read.
        """


class NullMetrics:
    """Counts nothing."""

    def request(self, ended: Ended) -> None:
        """Nothing."""

    def batch(self, size: int) -> None:
        """Nothing."""

    def page(self, accept: str = "") -> tuple[bytes, str]:  # noqa: ARG002 - as the protocol has it
        """Nothing."""
        return b"", "text/plain"
