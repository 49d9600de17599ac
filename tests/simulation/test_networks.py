"""Costs of the paper's networks, from names."""

import pytest

from partway.errors import InputError
from partway.planning import Conditions, CostTable, latency_s
from partway.prediction.analytic import work_of_layer
from partway.simulation.networks import best_of_chain, chain_costs, machine_of
from partway.zoo import PAPER_NETWORKS, paper_network

DEVICE, SERVER = machine_of("jetson-tk1-gpu"), machine_of("tesla-k40")


@pytest.mark.parametrize("name", PAPER_NETWORKS)
def test_every_cut_splits_the_same_work(name: str) -> None:
    network = paper_network(name)
    costs = chain_costs(network, DEVICE, SERVER)
    assert (costs[0].crossing, costs[0].up_bytes, costs[0].device_s) == (
        (network.input_name,),
        network.input_bytes,
        0.0,
    )
    whole_s = sum(SERVER.layer_s(work_of_layer(layer)) for layer in network.layers)
    assert costs[0].server_s == pytest.approx(whole_s)
    assert costs[-1].device_s == pytest.approx(sum(DEVICE.layer_s(work_of_layer(layer)) for layer in network.layers))
    assert not costs[-1].offloaded
    heads_s = [cost.device_s for cost in costs]
    tails_s = [cost.server_s for cost in costs]
    assert heads_s == sorted(heads_s)
    assert tails_s == sorted(tails_s, reverse=True)
    assert len({cost.crossing for cost in costs}) == len(costs)


@pytest.mark.parametrize("name", ["alexnet", "mnist"])
def test_the_few_are_as_good_as_all_under_any_load(name: str) -> None:
    costs = chain_costs(paper_network(name), DEVICE, SERVER)
    few, every = best_of_chain(paper_network(name), DEVICE, SERVER), CostTable.of(costs)
    assert len(few) < len(every)
    for uplink in (1e5, 1e6, 1e7):
        for delay_s in (0.0, 0.1, 1.0):
            conditions = Conditions(
                uplink_bytes_per_s=uplink, downlink_bytes_per_s=2 * uplink, rtt_s=0.01, queue_delay_s=delay_s
            )
            assert latency_s(few, conditions).min() <= 1.001 * latency_s(every, conditions).min()


def test_a_machine_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'tesla-k40'"):
        machine_of("tesla-k4")
