"""What the cuts of the paper's networks cost on machines that are known by their datasheets, from names alone.

In come a network and two machines; out come the costs of its cuts, made between layers as the paper makes them, or the
few of them that can be best. Called by `scenario_reading`.
"""

from itertools import accumulate

from partway.errors import InputError
from partway.planning import CostTable, CutCost, frontier
from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, machine_hint, named_machine, work_of_layer
from partway.zoo import PaperNetwork


def chain_costs(network: PaperNetwork, device: AnalyticMachine, server: AnalyticMachine) -> tuple[CutCost, ...]:
    """What every cut of a network costs: before its first layer, after each, and the device alone.

    Args:
        network: a chain of layers.
        device: where heads run.
        server: where tails run.

    Source: Kang et al., Neurosurgeon, ASPLOS 2017, Algorithm 1: sums over the layers.
    """
    work = [work_of_layer(layer) for layer in network.layers]
    on_device_s = list(accumulate((device.layer_s(one) for one in work), initial=0.0))
    on_server_s = list(accumulate((server.layer_s(one) for one in work), initial=0.0))
    crossing = [network.input_name, *(layer.output for layer in network.layers)]
    sizes = [network.input_bytes, *(layer.output_bytes for layer in network.layers)]
    offloaded = [
        CutCost(
            crossing=(crossing[place],),
            device_s=on_device_s[place],
            up_bytes=sizes[place],
            server_s=on_server_s[-1] - on_server_s[place],
            down_bytes=sizes[-1],
            offloaded=True,
            how="analytic",
        )
        for place in range(len(work))
        if crossing[place] not in crossing[:place]  # a dropout hands on what it is given
    ]
    alone = CutCost(
        crossing=(), device_s=on_device_s[-1], up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False, how="analytic"
    )
    return (*offloaded, alone)


def best_of_chain(network: PaperNetwork, device: AnalyticMachine, server: AnalyticMachine) -> CostTable:
    """The few cuts that can be best over any link and under any load, within 0.1 %.

    Args:
        network: a chain of layers.
        device: where heads run.
        server: where tails run.
    """
    costs = chain_costs(network, device, server)
    return CostTable.of([costs[row] for row in frontier(costs)])


def machine_of(name: str) -> AnalyticMachine:
    """The machine of a name.

    Raises:
        InputError: no machine has it.
    """
    machine = named_machine(name)
    if machine is None:
        known = ", ".join(NAMED_MACHINES)
        raise InputError(f"no machine is called {name!r}; {machine_hint(name)}expected one of {known}")
    return machine
