"""A decision that is not carried out is not the cut in use."""

from random import Random

import numpy as np
from tests.client.simulation import Client, SimulatedServer, World, template

from partway.client.breaker import Fault
from partway.link import Link


def test_no_cut_comes_into_use_while_the_breaker_keeps_requests_away() -> None:
    world = World()
    link = Link(uplink_bytes_per_s=1e8, downlink_bytes_per_s=1e8, rtt_s=0.001)
    client = Client(world, SimulatedServer(world, Random(0), link, template().model.source_digest, ()), 0)
    client.remote.breaker.failed(Fault.UNREACHABLE, "nobody there")
    x = np.ones(2048, np.float32)
    assert not client.run(x).offloaded
    assert client.bound.last is None
    world.sleep(1.0)
    assert client.run(x).offloaded
    assert client.bound.last is not None
    client.reconnection.close()
