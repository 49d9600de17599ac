"""What a session did is told in numbers that add up."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.client.loopback import LoopbackServer
from tests.models import chain_model, random_feeds

from partway.client import InferenceSession, Result
from partway.client.breaker import Fault
from partway.client.counters import Tally
from partway.errors import ServerRefused
from partway.wire import COSTS_MODEL, InferRequest


def result(*, offloaded: bool, hedged: bool = False, fell_back: bool = False) -> Result:
    return Result(
        outputs=(), output_names=(), crossing=(), offloaded=offloaded, fell_back=fell_back, hedged=hedged,
        hedge_wait_s=None, device_s=0.0, uplink_s=0.0, server_s=0.0, downlink_s=0.0, total_s=0.0, up_bytes=0,
        down_bytes=0, expected_s=None, reason="", codec="raw", emulated_slowdown=1.0,
    )  # fmt: skip


def test_every_request_is_counted_once_by_how_it_ended_from_any_thread() -> None:
    tally = Tally()
    ends: tuple[tuple[Result, Fault | None, bool], ...] = (
        (result(offloaded=True), None, False),
        (result(offloaded=True, hedged=True), None, False),
        (result(offloaded=False, hedged=True, fell_back=True), None, False),
        (result(offloaded=False, fell_back=True), Fault.DAMAGED, False),
        (result(offloaded=False, fell_back=True), None, True),
        (result(offloaded=False, hedged=True, fell_back=True), None, True),
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda end: tally.count(*end[:2], turned_away=end[2]), ends * 20))
    counters = tally.read(breaker_openings=3)
    assert (counters.requests, counters.offloaded, counters.breaker_openings) == (120, 40, 3)
    assert (counters.hedged, counters.hedges_won_by_server, counters.hedges_won_by_device) == (60, 20, 40)
    assert counters.fell_back == {"late": 20, "damaged": 20, "turned_away": 40}


@pytest.mark.parametrize("served", [True, False])
def test_a_session_counts_its_requests_and_what_went_wrong(tmp_path: Path, served: bool) -> None:
    def refuse(request: InferRequest) -> None:
        if request.model_name != COSTS_MODEL and not served:
            raise ServerRefused("RESOURCE_EXHAUSTED", "the queue is full")

    path = chain_model(tmp_path)
    feeds = random_feeds(path)
    server = LoopbackServer(path)
    server.before = refuse
    with InferenceSession(path, transport=server, device_slowdown=50.0, threads=1) as session:
        assert session.wait_until_ready(feeds)
        assert session.counters.requests == 0
        results = [session.run_detailed(None, feeds) for _ in range(3)]
        counters = session.counters
    assert counters.requests == 3
    assert counters.offloaded == sum(one.offloaded for one in results)
    told: Mapping[str, int] = {} if served else {"busy": sum(one.fell_back for one in results)}
    assert counters.fell_back == told
    assert counters.breaker_openings == (0 if served else 1)
