"""Fakes of what Partway reaches the world through: the clock and the transport.

For our own tests and for those of programs built on Partway. Imported by tests only.
"""

from collections.abc import Callable

from partway.client import Answer
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

    def infer(self, request: InferRequest, timeout_s: float) -> Answer:  # noqa: ARG002 - the protocol's signature
        """The function's answer; see `partway.client.Transport.infer`."""
        self.requests.append(request)
        response = self._answer(request)
        return Answer(
            response=response,
            round_trip_s=self._round_trip_s,
            up_bytes=sum(tensor.array.nbytes for tensor in request.tensors),
            down_bytes=sum(tensor.array.nbytes for tensor in response.tensors),
        )

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
