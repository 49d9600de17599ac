"""Fakes of what Partway reaches the world through: the clock and the transport.

For our own tests and for those of programs built on Partway. Imported by tests only.
"""

from collections.abc import Callable

from partway.client import Answer
from partway.client.call import PendingCall, Withdrawal
from partway.errors import PartwayError
from partway.wire import InferRequest, InferResponse


class FakeClock:
    """A clock that moves only when told to; its `sleep` moves it too.

    Args:
        now_s: where it starts.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Seconds since some moment."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    sleep = advance


class FakeCall(PendingCall):
    """A call that a test settles: with `give`, `fail`, or not at all.

    Attributes:
        cancelled: whether it was withdrawn before it was settled.
    """

    def __init__(self) -> None:
        self.cancelled = False
        super().__init__(withdraw=self._note)

    def give(self, response: InferResponse, *, round_trip_s: float = 0.01, up_bytes: int = 0) -> None:
        """Settle it with an answer.

        Args:
            response: the server's.
            round_trip_s: what the exchange pretends to have taken.
            up_bytes: what the request pretends to have had.
        """
        down_bytes = sum(tensor.array.nbytes for tensor in response.tensors)
        answer = Answer(response=response, round_trip_s=round_trip_s, up_bytes=up_bytes, down_bytes=down_bytes)
        self.settle(lambda: answer)

    def _note(self, _why: Withdrawal) -> None:
        self.cancelled = True


class FakeTransport:
    """A transport that answers with a Python function, or raises what it raises.

    Args:
        answer: request to response; may raise any of Partway's server errors.
        round_trip_s: what each exchange pretends to take.
    """

    def __init__(self, answer: Callable[[InferRequest], InferResponse], *, round_trip_s: float = 0.01) -> None:
        self.requests: list[InferRequest] = []
        self.closed = False
        self._answer = answer
        self._round_trip_s = round_trip_s

    def start(self, request: InferRequest, timeout_s: float) -> FakeCall:  # noqa: ARG002 - the protocol's signature
        """A call that is settled already; see `partway.client.Transport.start`."""
        self.requests.append(request)
        call = FakeCall()
        try:
            response = self._answer(request)
        except PartwayError as error:
            call.fail(error)
        else:
            up_bytes = sum(tensor.array.nbytes for tensor in request.tensors)
            call.give(response, round_trip_s=self._round_trip_s, up_bytes=up_bytes)
        return call

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
