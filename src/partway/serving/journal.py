"""One line and one count for every request, whichever face it came to and however it ended.

    request face=rest model=resnet status=OK caller=192.0.2.7 queue_s=0.000210 service_s=0.013400 received_bytes=602...

Input: what a face learns of a request while it answers it. Output: an access line and the metrics. What clients
write is shortened and cleaned before it gets into a line, and gets into no label. Called by the faces.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from partway.errors import PartwayError
from partway.serving.metrics import Ended, Metrics
from partway.serving.statuses import Status, status_of
from partway.wire import Load

logger = logging.getLogger(__name__)

CANCELLED = "CANCELLED"
OTHER_MODEL = "other"
_TURNED_AWAY = "turned away, since the queue is longer than the request may wait"
_LONGEST_WORD = 128
_LONGEST_SENTENCE = 1000  # gRPC's details travel in a header, and headers are bounded


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is known of one request, filled in while it is answered.

    Attributes:
        face: it came to.
        model: as the client named it.
        caller: who asks.
        received_bytes: of the message.
        sent_bytes: of the answer.
        load: that the answer tells.
        turned_away: whether the answer is that the queue is too long.
    """

    face: str
    model: str = ""
    caller: str = ""
    received_bytes: int = 0
    sent_bytes: int = 0
    load: Load | None = None
    turned_away: bool = False


class Journal:
    """Keeps the access log and feeds the metrics.

    Args:
        metrics: count.
        is_served: whether a name is that of a model of this server's.
    """

    def __init__(self, metrics: Metrics, is_served: Callable[[str], bool]) -> None:
        self._metrics = metrics
        self._is_served = is_served

    @contextlib.contextmanager
    def entry(self, face: str) -> Iterator[Entry]:
        """Note the request that the block answers, once it ends; its error passes on.

        Args:
            face: it came to.
        """
        entry = Entry(face=face)
        status, reason = Status.OK.name, ""
        try:
            yield entry
        except PartwayError as error:
            status, reason = status_of(error).name, str(error)
            raise
        except asyncio.CancelledError:
            status, reason = CANCELLED, "the client left, or the server shut down"
            raise
        except BaseException as error:
            status, reason = Status.INTERNAL.name, type(error).__name__
            raise
        finally:
            self._note(entry, status, reason)

    def refused(self, face: str, connection: str, error: PartwayError, *, received_bytes: int = 0) -> None:
        """Note a request that was refused before anybody knew what it asks for.

        Args:
            face: it came to.
            connection: that it came on.
            error: why.
            received_bytes: that were read of it.
        """
        entry = Entry(face=face, caller=connection, received_bytes=received_bytes)
        self._note(entry, status_of(error).name, str(error))

    def _note(self, entry: Entry, status: str, reason: str) -> None:
        load = entry.load
        ended = Ended(
            face=entry.face,
            model=entry.model if self._is_served(entry.model) else OTHER_MODEL,
            status=status,
            received_bytes=entry.received_bytes,
            sent_bytes=entry.sent_bytes,
            load=load,
            turned_away=entry.turned_away,
        )
        self._metrics.request(ended)
        level = logging.ERROR if status == Status.INTERNAL.name else logging.INFO
        if not logger.isEnabledFor(level):
            return  # cleaning what clients wrote takes longer than all the rest of this
        logger.log(
            level,
            "request face=%s model=%s status=%s caller=%s queue_s=%.6f service_s=%.6f received_bytes=%d sent_bytes=%d "
            "reason=%s",
            entry.face,
            word(entry.model),
            status,
            word(entry.caller),
            0.0 if load is None else load.queue_s,
            0.0 if load is None else load.service_s,
            entry.received_bytes,
            entry.sent_bytes,
            sentence(reason) or (_TURNED_AWAY if entry.turned_away else "-"),
        )


def word(text: str) -> str:
    """Text of a client's as one short word: what is no plain character, and could end a field or a line, is `?`."""
    shown = "".join(char if char.isascii() and char.isprintable() and char not in ' ="' else "?" for char in text)
    return (shown if len(shown) <= _LONGEST_WORD else f"{shown[:_LONGEST_WORD]}...") or "-"


def sentence(text: str) -> str:
    """An error's message on one line, as it goes to clients and logs."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _LONGEST_SENTENCE]).split())
    return line if len(line) <= _LONGEST_SENTENCE else f"{line[:_LONGEST_SENTENCE]}..."
