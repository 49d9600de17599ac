"""The server as one model's client sees it: asks it, checks what comes back, notes how it went.

Input: crossing tensors, packed. Output: the outputs that were asked for, or one of our errors, after the observer has
been told. Called by the session for requests and by its background work for costs and load.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.client.bound import BoundModel
from partway.client.call import Answer
from partway.client.observer import Observer
from partway.client.transport import Transport
from partway.engine import Clock
from partway.errors import PartwayError, ServerRefused, ServerUnavailable, WireError
from partway.graph import Model
from partway.wire import (
    BINDING,
    CODEC,
    DIGEST,
    CostAnswer,
    CostQuery,
    InferRequest,
    Load,
    Tensor,
    decode_cost_answer,
    decode_load,
    encode_cost_query,
)

_ASK_S = 2.0
# A full queue empties soon; a wrong model or digest stays wrong until somebody mends it.
_BUSY_PAUSE_S, _REFUSED_PAUSE_S = 0.5, 30.0
_BUSY = frozenset({"RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"})
_NOT_UNDERSTOOD = "INVALID_ARGUMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What one answered request took.

    Attributes:
        outputs: arrays by name.
        up_bytes: length of the request.
        down_bytes: length of the answer.
        network_s: round trip less the server's residence.
        server_s: queue and tail, as the server reports it.
    """

    outputs: Mapping[str, np.ndarray]
    up_bytes: int
    down_bytes: int
    network_s: float
    server_s: float


class Remote:
    """One model on one server.

    Args:
        transport: carries the requests.
        observer: is told how they went.
        model_name: the model's name on the server.
        timeout_s: the longest to wait for any answer.
        clock: seconds, monotonic.
    """

    def __init__(
        self, transport: Transport, observer: Observer, *, model_name: str, timeout_s: float, clock: Clock
    ) -> None:
        self._transport = transport
        self._observer = observer
        self._model_name = model_name
        self._timeout_s = timeout_s
        self._clock = clock
        self._refused_until_s = -math.inf
        self._why_not = "the server has not said yet what its part would take"

    @property
    def usable(self) -> bool:
        """Whether it is worth sending a request now."""
        return self._observer.reachable and self._clock() >= self._refused_until_s

    @property
    def why_not(self) -> str:
        """What went wrong last, in a sentence."""
        return self._why_not

    def infer(
        self, model: Model, binding: str, tensors: tuple[Tensor, ...], outputs: Sequence[str], *, patience_s: float
    ) -> Exchange:
        """Let the server run what is left.

        Args:
            model: the canonical graph, which says what the outputs look like.
            binding: its encoded binding.
            tensors: what crosses, as it travels.
            outputs: what to compute.
            patience_s: the longest to wait, bounded by `timeout_s`.

        Raises:
            ServerError: no answer, or a refusal.
            WireError: the answer is damaged or not what was asked for.
        """
        request = InferRequest(
            model_name=self._model_name,
            tensors=tensors,
            outputs=tuple(outputs),
            parameters={DIGEST: model.source_digest, BINDING: binding},
        )
        answer, load = self._ask(request, min(patience_s, self._timeout_s))
        arrays = {tensor.name: tensor.array for tensor in answer.response.tensors}
        _check_outputs(model, outputs, arrays)
        server_s = load.residence_s if load is not None else 0.0
        return Exchange(
            outputs=arrays,
            up_bytes=answer.up_bytes,
            down_bytes=answer.down_bytes,
            network_s=max(0.0, answer.round_trip_s - server_s),
            server_s=server_s,
        )

    def ask_costs(self, bound: BoundModel, *, padding_bytes: int = 0) -> CostAnswer:
        """What the tails of a model's candidate cuts take there; reads the load and measures the link too.

        Args:
            bound: the model.
            padding_bytes: bytes to send along, to learn how fast they travel.

        Raises:
            ServerError: no answer, or a refusal.
            WireError: the answer is damaged.
        """
        query = CostQuery(
            model_name=self._model_name,
            digest=bound.model.source_digest,
            binding=bound.binding,
            cuts=tuple(cut.crossing for cut in bound.offloaded),
            padding_bytes=padding_bytes,
        )
        answer, _ = self._ask(encode_cost_query(query), min(_ASK_S, self._timeout_s))
        return decode_cost_answer(answer.response, cuts=len(query.cuts))

    def close(self) -> None:
        """Let the connection go."""
        self._transport.close()

    def _ask(self, request: InferRequest, timeout_s: float) -> tuple[Answer, Load | None]:
        start_s = self._clock()
        try:
            answer = self._transport.start(request, timeout_s).result()
            load = decode_load(answer.response.parameters)
        except ServerUnavailable as error:
            waited_s = self._clock() - start_s
            size_bytes = sum(tensor.array.nbytes for tensor in request.tensors)
            self._observer.saw_silence(up_bytes=size_bytes, waited_s=waited_s, timed_out=waited_s >= 0.9 * timeout_s)
            self._why_not = str(error)
            raise
        except PartwayError as error:
            lasting = (
                isinstance(error, ServerRefused)
                and error.status not in _BUSY
                and not refused_codec(error, request.tensors)
            )
            self._refused_until_s = self._clock() + (_REFUSED_PAUSE_S if lasting else _BUSY_PAUSE_S)
            self._why_not = str(error)
            raise
        self._observer.saw_answer(
            up_bytes=answer.up_bytes,
            down_bytes=answer.down_bytes,
            network_s=answer.round_trip_s - (load.residence_s if load is not None else 0.0),
            load=load,
        )
        return answer, load


def refused_codec(error: PartwayError, tensors: Iterable[Tensor]) -> bool:
    """Whether a refusal may be for the codec of what was sent, so that raw tensors are worth trying soon."""
    coded = any(CODEC in tensor.parameters for tensor in tensors)
    return coded and isinstance(error, ServerRefused) and error.status == _NOT_UNDERSTOOD


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
