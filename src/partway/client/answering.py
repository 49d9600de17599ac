"""How one request is answered: decided, its head run here, the rest raced.

    decide ── head here ── crossing tensors, packed ──> server ── outputs
       │                        │ late, no answer, refused, damaged
       └─ whole model here      └─> tail here, from the tensors at hand

Input: a request, and a model whose cuts are ready. Output: its result, always. Called by the session for each request,
in the caller's thread.
"""

import logging
from functools import partial

from partway.client.bound import BoundModel
from partway.client.breaker import Fault
from partway.client.hedge import Outlook
from partway.client.packing import Packer
from partway.client.race import Finish, race
from partway.client.remote import Remote, refused_codec
from partway.client.request import Request, over_limit
from partway.client.result import Result
from partway.errors import WireError
from partway.graph import Cut
from partway.planning import CutCost
from partway.units import format_duration
from partway.wire import RAW, Tensor

logger = logging.getLogger(__name__)


def answer(request: Request, bound: BoundModel, remote: Remote, packer: Packer) -> Result:
    """Decide where a request is cut, and carry that out.

    Args:
        request: what is asked.
        bound: the model, under the request's binding.
        remote: the server.
        packer: packs what crosses.

    Raises:
        BindingError: a feed has not the element type of its input.
        RunStopped: nobody wants the answer any more.
        EngineError: the model fails on this input, on the device.
    """
    bound.check(request.feeds)
    conditions, link = request.observer.conditions(), request.observer.link
    breaker = remote.breaker.state
    # What is not carried out is no cut in use: the next decision does not start from it.
    choices, decision = (bound.decide if breaker == "closed" else bound.foresee)(conditions)
    cut, cost, alone = choices.cuts[decision.index], choices.table.costs[decision.index], choices.table.costs[-1]
    request.decided(decision, conditions, link, breaker)
    wanted = cut.tail is not None and not frozenset(cut.tail.outputs).isdisjoint(request.names)
    if breaker != "closed" or len(choices.cuts) == 1:
        request.reason = f"the device alone, since {remote.breaker.why_not}"
    if not wanted or breaker != "closed":
        return request.run_alone(bound, alone)
    tensors = request.run_head(bound, cut, cost, packer)
    over = over_limit(tensors, bound.max_up_bytes)
    if over is not None or not remote.breaker.closed:  # another request may have found out meanwhile
        request.reason, request.codec = f"finished alone: {over or remote.breaker.why_not}", RAW
        request.known |= request.run_tail(bound, cut, request.stop)
        return request.result(None)
    outlook = Outlook.of(
        cost,
        alone,
        conditions,
        link,
        thrifty=bound.thrifty and decision.relaxed is None,  # what misses its limits is to miss them by little
        deadline_s=bound.deadline_s - request.elapsed_s(),
    )
    finish = _race(request, bound, remote, cut, tensors, outlook)
    request.known |= finish.outputs
    _explain(request, bound, cut, cost, tensors, finish)
    return request.result(cut, finish)


def _race(
    request: Request, bound: BoundModel, remote: Remote, cut: Cut, tensors: tuple[Tensor, ...], outlook: Outlook
) -> Finish:
    finish_alone = partial(request.run_tail, bound, cut)
    # All outputs, as the cut has them: fewer would need fewer tensors, which is another cut.
    outputs = () if cut.tail is None else cut.tail.outputs
    try:
        sent = remote.send(bound.model, bound.binding, tensors, outputs, outlook=outlook)
    except WireError as error:
        return Finish(outputs=finish_alone(request.stop), error=error)
    request.hedge_wait_s = sent.wait_s
    finish = race(sent, wait_s=sent.wait_s, finish=finish_alone, stop=request.stop)
    remote.ended(sent, finish)
    return finish


def _explain(
    request: Request, bound: BoundModel, cut: Cut, cost: CutCost, tensors: tuple[Tensor, ...], finish: Finish
) -> None:
    name = "+".join(cut.crossing)
    if finish.by_server:
        if finish.hedged:
            logger.debug("hedge_won_by_server cut=%s wait_s=%.4f", name, request.hedge_wait_s or 0.0)
        return
    if finish.exchange is not None and finish.exchange.turned_away:
        waits_s = 0.0 if finish.exchange.load is None else finish.exchange.load.queue_delay_s
        request.reason = f"finished alone: it would have waited {format_duration(waits_s)} in the server's queue"
        request.turned_away = True
        logger.debug("turned_away cut=%s hedged=%s queue_s=%.4f", name, finish.hedged, waits_s)
        return
    if finish.error is None:
        late = f"no answer within {format_duration(request.hedge_wait_s or 0.0)}, nor before the device had its own"
        request.reason = f"finished alone: {late}"
    else:
        request.reason, request.fault = f"finished alone: {finish.error}", Fault.of(finish.error)
        if refused_codec(finish.error, tensors):
            bound.refuse_coding(cut, cost.codec)
    logger.warning("finished_alone cut=%s hedged=%s reason=%s", name, finish.hedged, request.reason)
