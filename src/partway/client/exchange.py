"""One request to the server, from the moment that it was sent.

Made by `Remote`; the race reads it. Reading checks that what came back is what was asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.client.call import Call
from partway.client.hedge import Outlook
from partway.errors import WireError
from partway.graph import Model
from partway.wire import TURNED_AWAY, InferRequest, Load, decode_load, read_queue_within_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What one answered request took.

    Attributes:
        outputs: arrays by name; none where it was turned away.
        up_bytes: length of the request.
        down_bytes: length of the answer.
        round_trip_s: from sending on, as the network saw it.
        load: the server's report; None from a server that makes none.
        fresh: whether it was the first over its connection.
        turned_away: whether the server's queue was longer than the request may wait, so that nothing was computed.
    """

    outputs: Mapping[str, np.ndarray]
    up_bytes: int
    down_bytes: int
    round_trip_s: float
    load: Load | None
    fresh: bool = False
    turned_away: bool = False

    @property
    def server_s(self) -> float:
        """Queue and tail, as the server reports them."""
        return 0.0 if self.load is None else self.load.residence_s

    @property
    def network_s(self) -> float:
        """Round trip less the server's residence."""
        return max(0.0, self.round_trip_s - self.server_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request that is on its way.

    Attributes:
        request: what was sent.
        model: the canonical graph, which says what the outputs look like.
        outlook: what was expected of it.
        wait_s: how long to wait before the device finishes alone.
    """

    request: InferRequest
    call: Call
    model: Model
    outlook: Outlook
    wait_s: float

    @property
    def size_bytes(self) -> int:
        """Bytes of its tensors."""
        return size_bytes_of(self.request)

    def read(self, timeout_s: float | None = None) -> Exchange:
        """The answer, checked; see `partway.client.race.Sent`."""
        answer = self.call.result(timeout_s)
        exchange = Exchange(
            outputs={tensor.name: tensor.array for tensor in answer.response.tensors},
            up_bytes=answer.up_bytes,
            down_bytes=answer.down_bytes,
            round_trip_s=answer.round_trip_s,
            load=decode_load(answer.response.parameters),
            fresh=answer.fresh,
            turned_away=answer.response.parameters.get(TURNED_AWAY) is True,
        )
        if exchange.turned_away:
            self._check_turned_away(exchange)
        else:
            _check_outputs(self.model, self.request.outputs, exchange.outputs)
        return exchange

    def _check_turned_away(self, exchange: Exchange) -> None:
        """Refuse to be turned away by a server whose own report gives no reason for it: that is damage."""
        within_s = read_queue_within_s(self.request.parameters)
        if within_s is None or exchange.load is None or exchange.load.queue_delay_s < within_s:
            raise WireError("the server turned the request away, and reports no queue that is longer than it may be")

    def on_done(self, callback: Callable[[], object]) -> None:
        """Have something called once `read` need not wait."""
        self.call.on_done(callback)

    def cancel(self, *, overdue: bool = False) -> None:
        """Withdraw it; see `Call.cancel`."""
        self.call.cancel(overdue=overdue)


def size_bytes_of(request: InferRequest) -> int:
    """Bytes of a request's tensors."""
    return sum(tensor.array.nbytes for tensor in request.tensors)


def _check_outputs(model: Model, wanted: Sequence[str], arrays: Mapping[str, np.ndarray]) -> None:
    if set(arrays) != set(wanted):
        raise WireError(f"the server answered with {sorted(arrays)}; {sorted(wanted)} were asked for")
    for name in wanted:
        # Not the shape: authors declare wrong ones, and the checksum vouches for the rest.
        expected = model.tensors[name]
        if arrays[name].dtype != expected.dtype:
            raise WireError(
                f"the server answered {name!r} in {arrays[name].dtype}; the model gives {expected.describe()}"
            )
