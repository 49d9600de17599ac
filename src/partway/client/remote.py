"""The server as one model's client sees it: sends to it, asks it, notes how it went.

Input: crossing tensors, packed, and how the race for the rest ended. Output: requests on their way; costs; after each,
breaker, hedge and observer have been told. Called by requests, and by the session's background work for costs and load.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from partway.client.bound import BoundModel
from partway.client.breaker import Breaker, Fault
from partway.client.call import Call
from partway.client.exchange import Exchange, SentRequest, size_bytes_of
from partway.client.hedge import Hedge, Outlook
from partway.client.observer import Observer
from partway.client.race import Finish
from partway.client.surroundings import Surroundings
from partway.client.transport import Transport
from partway.errors import PartwayError, ServerRefused, ServerUnavailable
from partway.graph import Model
from partway.wire import (
    BINDING,
    CODEC,
    DIGEST,
    QUEUE_WITHIN,
    CostAnswer,
    CostQuery,
    InferRequest,
    Parameter,
    Tensor,
    decode_cost_answer,
    decode_load,
    encode_cost_query,
)

# How long a question lasts: the first one, and after others in vain. A handshake over a slow link may take seconds.
_ASK_S, _MOST_ASK_S = 2.0, 10.0
_ALL_OF_IT = 0.9  # whoever waited so much of the time was left waiting
_NOT_UNDERSTOOD = "INVALID_ARGUMENT"
# What the call outlasts the wait by, for a device that is slower than expected, or cannot finish at all.
_LEAST_PATIENCE_S, _PATIENCE_OF_LOCAL = 0.5, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about costs that is on its way.

    Attributes:
        request: what was sent.
        call: what its answer comes by.
        cuts: how many it asks about.
        timeout_s: how long it lasts.
    """

    request: InferRequest
    call: Call
    cuts: int
    timeout_s: float


class Remote:
    """One model on one server.

    Args:
        transport: carries the requests.
        observer: is told what they say of link and load.
        model_name: the model's name on the server.
        timeout_s: the longest to wait for any answer.
        surroundings: clock and chance.

    Attributes:
        breaker: whether requests go there now.
        hedge: how long each waits before the device begins too.
    """

    def __init__(
        self,
        transport: Transport,
        observer: Observer,
        *,
        model_name: str,
        timeout_s: float,
        surroundings: Surroundings,
    ) -> None:
        self.breaker = Breaker(clock=surroundings.clock, generator=surroundings.generator)
        self.hedge = Hedge()
        self._transport = transport
        self._observer = observer
        self._model_name = model_name
        self._timeout_s = timeout_s
        self._ask_s = _ASK_S

    def send(
        self, model: Model, binding: str, tensors: tuple[Tensor, ...], outputs: Sequence[str], *, outlook: Outlook
    ) -> SentRequest:
        """Have the server run what is left.

        Args:
            model: the canonical graph, which says what the outputs look like.
            binding: its encoded binding.
            tensors: what crosses, as it travels.
            outputs: what to compute.
            outlook: what is expected of it.

        Raises:
            WireError: the tensors cannot be sent.
        """
        parameters: dict[str, Parameter] = {DIGEST: model.source_digest, BINDING: binding}
        if (bearable_s := outlook.bearable_queue_s) is not None:
            parameters[QUEUE_WITHIN] = math.floor(1e6 * bearable_s)
        request = InferRequest(
            model_name=self._model_name, tensors=tensors, outputs=tuple(outputs), parameters=parameters
        )
        wait_s = min(self._timeout_s, self.hedge.wait_s(outlook))
        patience_s = wait_s + max(_LEAST_PATIENCE_S, _PATIENCE_OF_LOCAL * outlook.local_s)
        call = self._transport.start(request, min(self._timeout_s, patience_s))
        return SentRequest(request=request, call=call, model=model, outlook=outlook, wait_s=wait_s)

    def ended(self, sent: SentRequest, finish: Finish) -> None:
        """A request that was sent was answered, by whichever side.

        Args:
            sent: the request.
            finish: how the race went.
        """
        waited_s, outlook = sent.call.lasted_s, sent.outlook  # the local tail took longer
        if finish.exchange is not None:
            self._heard(finish.exchange, question=False)
            if not finish.exchange.turned_away:
                self.hedge.saw(outlook, finish.exchange.round_trip_s)
        elif finish.error is not None:
            if isinstance(finish.error, ServerUnavailable) and waited_s >= sent.wait_s:
                self._was_late(sent, waited_s)
            self._failed(finish.error, sent.request)
        else:
            # A call that was withdrawn says no more than that. Its lateness counts; three in a row open the breaker.
            self._was_late(sent, waited_s)
            self.hedge.saw(outlook, waited_s)
            self.breaker.outrun()

    def ask_costs(self, bound: BoundModel, *, padding_bytes: int = 0) -> CostAnswer:
        """What the tails of a model's candidate cuts take there; reads the load and measures the link too.

        Args:
            bound: the model.
            padding_bytes: bytes to send along, to learn how fast they travel.

        Raises:
            ServerError: no answer, or a refusal.
            WireError: the answer is damaged.
        """
        return self.hear(self.pose(bound, padding_bytes=padding_bytes))

    def pose(self, bound: BoundModel, *, padding_bytes: int = 0) -> Question:
        """Send the question of `ask_costs`; whoever does not wait for it here lets `hear` have it in the end."""
        query = CostQuery(
            model_name=self._model_name,
            digest=bound.model.source_digest,
            binding=bound.binding,
            cuts=tuple(cut.crossing for cut in bound.offloaded),
            padding_bytes=padding_bytes,
        )
        request, timeout_s = encode_cost_query(query), min(self._ask_s, self._timeout_s)
        return Question(
            request=request,
            call=self._transport.start(request, timeout_s),
            cuts=len(query.cuts),
            timeout_s=timeout_s,
        )

    def hear(self, question: Question) -> CostAnswer:
        """The answer of a question that was posed; raises as `ask_costs`."""
        try:
            answer = question.call.result()
            costs = decode_cost_answer(answer.response, cuts=question.cuts)
            load = decode_load(answer.response.parameters)
        except PartwayError as error:
            waited_s = question.call.lasted_s
            late = waited_s >= _ALL_OF_IT * question.timeout_s
            self._ask_s = min(_MOST_ASK_S, 2.0 * self._ask_s) if late else _ASK_S
            if late:
                self._observer.saw_silence(up_bytes=size_bytes_of(question.request), waited_s=waited_s)
            self._failed(error, question.request)
            raise
        exchange = Exchange(
            outputs={},
            up_bytes=answer.up_bytes,
            down_bytes=answer.down_bytes,
            round_trip_s=answer.round_trip_s,
            load=load,
            fresh=answer.fresh,
        )
        self._heard(exchange, question=True)
        return costs

    def close(self) -> None:
        """Let the connection go."""
        self._transport.close()

    def _was_late(self, sent: SentRequest, waited_s: float) -> None:
        outlook = sent.outlook
        self._observer.saw_silence(
            up_bytes=sent.size_bytes, waited_s=waited_s, rest_s=outlook.rest_s, queue_s=outlook.queue_s
        )

    def _heard(self, exchange: Exchange, *, question: bool) -> None:
        self._ask_s = _ASK_S
        self.breaker.answered(question=question)
        self._observer.saw_answer(
            up_bytes=exchange.up_bytes,
            down_bytes=exchange.down_bytes,
            network_s=exchange.round_trip_s - exchange.server_s,
            load=exchange.load,
            fresh=exchange.fresh,
        )

    def _failed(self, error: PartwayError, request: InferRequest) -> None:
        if refused_codec(error, request.tensors):
            self.breaker.answered(question=True)  # raw tensors are worth trying at once
        else:
            self.breaker.failed(Fault.of(error), str(error))


def refused_codec(error: PartwayError, tensors: Iterable[Tensor]) -> bool:
    """Whether a refusal may be for the codec of what was sent, so that raw tensors are worth trying soon."""
    coded = any(CODEC in tensor.parameters for tensor in tensors)
    return coded and isinstance(error, ServerRefused) and error.status == _NOT_UNDERSTOOD
