"""The body of a REST request, read within limits of size and time.

Input: pieces of it as they come. Output: the whole, in one buffer. What is too long is refused before it is read where
it says so, and while it is read where it does not; who sends too slowly is refused, so that nobody holds a place for
ever. Called by the REST face.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass

from partway.errors import BodyRefused, BodyTooSlow
from partway.serving.admission import Admitted
from partway.wire import Limits, check_message_bytes

_PLAIN = ("", "identity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the faces wait for a client.

    Attributes:
        idle_s: for a request on an open connection, its headers included; on REST, as are the next two.
        first_s: for a body, before its rate counts; also the time that an answer may stand still.
        least_bytes_per_s: the rate at which a body has to come after that, on average.
        body_s: for any body.
    """

    idle_s: float = 75.0
    first_s: float = 10.0
    least_bytes_per_s: float = 8 * 1024.0
    body_s: float = 120.0


def check_headers(headers: Mapping[str, str], declared_bytes: int | None, limits: Limits) -> None:
    """Refuse a body by what its headers say, before any of it is read.

    Args:
        headers: of the request.
        declared_bytes: its length, where they tell.
        limits: what is accepted.

    Raises:
        BodyRefused: it is compressed.
        MessageTooLong: it is too long.
    """
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _PLAIN:
        raise BodyRefused(f"the body is encoded as {encoding[:40]!r}; send it as it is")
    check_message_bytes(declared_bytes or 0, limits)


async def read_body(pieces: AsyncIterable[bytes], limits: Limits, admitted: Admitted, patience: Patience) -> bytearray:
    """The whole body.

    Args:
        pieces: of it, in order.
        limits: what is accepted.
        admitted: counts its bytes.
        patience: how long it may take.

    Raises:
        MessageTooLong: more came than is accepted.
        BodyTooSlow: it did not come in time.
        ServerBusy: other requests take the room that it needs.
    """
    body = bytearray()
    start_s = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(start_s + min(patience.first_s, patience.body_s)) as limit:
            async for piece in pieces:
                check_message_bytes(len(body) + len(piece), limits)
                admitted.grow(len(piece))
                body += piece
                allowed_s = patience.first_s + len(body) / patience.least_bytes_per_s
                limit.reschedule(start_s + min(allowed_s, patience.body_s))
    except TimeoutError as error:
        raise BodyTooSlow(
            f"{len(body)} bytes of the body came in time; send at least {patience.least_bytes_per_s:g} bytes a second, "
            f"and all of it within {patience.body_s:g} s"
        ) from error
    return body
