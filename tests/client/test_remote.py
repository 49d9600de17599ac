"""What is learnt of a request that was sent: from when the server was done with it, not from when the device was."""

import dataclasses

import numpy as np
import pytest
from tests.client.simulation import template

from partway.client.call import Answer, PendingCall
from partway.client.exchange import SentRequest
from partway.client.hedge import Outlook
from partway.client.observer import Observer
from partway.client.race import Finish
from partway.client.remote import Remote
from partway.client.surroundings import Surroundings
from partway.errors import ServerUnavailable, WireError
from partway.link import Link
from partway.testing import FakeClock, FakeTransport
from partway.wire import QUEUE_WITHIN, TURNED_AWAY, InferRequest, InferResponse, Load, Parameter, Tensor, encode_load

LINK = Link(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.005)


class Sent:
    """A megabyte that should take a second on its way, on a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        around = Surroundings(clock=self.clock, generator=np.random.default_rng(0))
        self.observer = Observer(prior=LINK, clock=self.clock, generator=around.generator)
        self.observer.saw_answer(up_bytes=100_000, down_bytes=100, network_s=0.1051, load=None)
        transport = FakeTransport(lambda _request: InferResponse(model_name="m"))
        self.remote = Remote(transport, self.observer, model_name="m", timeout_s=10.0, surroundings=around)
        self.call = PendingCall(clock=self.clock)
        tensor = Tensor(name="x", array=np.zeros(250_000, np.float32))
        self.sent = SentRequest(
            request=InferRequest(model_name="m", tensors=(tensor,), outputs=("y",)),
            call=self.call,
            model=template().model,
            outlook=Outlook(remaining_s=1.1, spread=0.1, local_s=5.0, uplink_s=1.0),
            wait_s=1.2,
        )

    def ended(self, finish: Finish) -> float:
        """The uplink as it is believed to be after that, over what it was before."""
        before = self.observer.link.link.uplink_bytes_per_s
        self.remote.ended(self.sent, finish)
        return self.observer.link.link.uplink_bytes_per_s / before


def test_the_local_tail_after_an_error_is_no_time_of_the_link() -> None:
    one = Sent()
    one.clock.advance(1.21)
    error = ServerUnavailable("reset")
    one.call.fail(error)
    one.clock.advance(100.0)
    assert one.ended(Finish(outputs={}, error=error, hedged=True)) > 0.8


def test_a_request_that_was_outrun_tells_of_the_link_what_the_server_was_not_to_take() -> None:
    one = Sent()
    one.clock.advance(4.1)
    one.call.cancel(overdue=True)
    one.clock.advance(100.0)
    assert one.ended(Finish(outputs={}, hedged=True)) == pytest.approx(0.25, rel=0.1)


def answer(parameters: dict[str, Parameter]) -> InferResponse:
    return InferResponse(model_name="m", parameters=parameters)


def test_a_request_that_is_turned_away_tells_of_link_and_queue_and_the_server_is_asked_again() -> None:
    one = Sent()
    outlook = dataclasses.replace(one.sent.outlook, remaining_s=1.2, uplink_s=1.0)
    sent = one.remote.send(template().model, "", one.sent.request.tensors, ("y",), outlook=outlook)
    assert sent.request.parameters[QUEUE_WITHIN] == 4_800_000, "what is left takes 5 s here and 0.2 s there"
    load = encode_load(Load(queue_delay_s=6.0, slowdown=1.0, service_s=0.0, queue_s=0.0))
    one.call.settle(
        lambda: Answer(response=answer({**load, TURNED_AWAY: True}), round_trip_s=1.005, up_bytes=10**6, down_bytes=100)
    )
    exchange = dataclasses.replace(sent, call=one.call).read()
    assert exchange.turned_away
    one.clock.advance(8.0)
    assert one.ended(Finish(outputs={}, exchange=exchange)) == pytest.approx(1.0, rel=0.05)
    assert one.observer.queue_reported_s == 6.0
    assert one.remote.breaker.closed


@pytest.mark.parametrize("queue_delay_s", [0.0, 4.7, None])
def test_who_is_turned_away_for_no_reason_takes_the_answer_for_damaged(queue_delay_s: float | None) -> None:
    one = Sent()
    sent = one.remote.send(template().model, "", one.sent.request.tensors, ("y",), outlook=one.sent.outlook)
    told = None if queue_delay_s is None else Load(queue_delay_s=queue_delay_s, slowdown=1.0, service_s=0, queue_s=0)
    load = {} if told is None else encode_load(told)
    one.call.settle(
        lambda: Answer(response=answer({**load, TURNED_AWAY: True}), round_trip_s=1, up_bytes=1, down_bytes=1)
    )
    with pytest.raises(WireError, match="reports no queue that is longer"):
        dataclasses.replace(sent, call=one.call).read()


def test_who_is_turned_away_without_having_asked_takes_the_answer_for_damaged() -> None:
    one = Sent()
    load = encode_load(Load(queue_delay_s=6.0, slowdown=1.0, service_s=0.0, queue_s=0.0))
    away = answer({**load, TURNED_AWAY: True})
    one.call.settle(lambda: Answer(response=away, round_trip_s=1, up_bytes=1, down_bytes=1))
    with pytest.raises(WireError, match="reports no queue that is longer"):
        one.sent.read()


def test_where_joules_count_the_queue_is_waited_for() -> None:
    one = Sent()
    outlook = dataclasses.replace(one.sent.outlook, thrifty=True)
    sent = one.remote.send(template().model, "", one.sent.request.tensors, ("y",), outlook=outlook)
    assert QUEUE_WITHIN not in sent.request.parameters
