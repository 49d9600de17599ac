"""What both faces do on the way to an answer. Called by them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from partway.wire import InferRequest, InferResponse, Load, read_timeout_s

T = TypeVar("T")

LARGE_BYTES = 256 * 1024
"""From here on a request's size is checked before its tensors are read."""
_OFF_LOOP_BYTES = 1536 * 1024  # from here on checksums take longer than the event loop should stand still


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """An answer, and the load that it tells.

    Attributes:
        response: what is sent.
        load: in its parameters.
        turned_away: whether nothing was computed, since the queue was longer than the request may wait.
    """

    response: InferResponse
    load: Load
    turned_away: bool = False

    @property
    def size_bytes(self) -> int:
        """Of its tensors."""
        return sum(tensor.array.nbytes for tensor in self.response.tensors)


async def off_loop(size_bytes: int, work: Callable[[], T]) -> T:
    """The result of reading or writing a message, in a thread where it is large.

    Args:
        size_bytes: of the message.
        work: reads or writes it.
    """
    return await asyncio.to_thread(work) if size_bytes > _OFF_LOOP_BYTES else work()


def deadline_of(request: InferRequest, received_s: float, left_s: float | None) -> float | None:
    """The clock's reading after which nobody waits for the answer; None where nobody says.

    Args:
        request: may carry a timeout as a parameter.
        received_s: the clock's reading when it arrived.
        left_s: what the connection itself says that is left.

    Raises:
        WireError: the parameter is no timeout.
    """
    told = [seconds for seconds in (left_s, read_timeout_s(request.parameters)) if seconds is not None]
    return received_s + min(told) if told else None
