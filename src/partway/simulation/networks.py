"""What the cuts of the paper's networks cost on machines that are known by their datasheets, from names alone.

In come a network and two machines; out come the costs of its cuts, made between layers as the paper makes them, or the
few of them that can be best. Called by `scenario_reading`.
"""

from partway.errors import InputError
from partway.planning import CostTable, CutCost, chain_cuts, frontier, running_s
from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, machine_hint, named_machine
from partway.zoo import PaperNetwork


def chain_costs(network: PaperNetwork, device: AnalyticMachine, server: AnalyticMachine) -> tuple[CutCost, ...]:
    """What every cut of a network costs: before its first layer, after each, and the device alone.

    Args:
        network: a chain of layers.
        device: where heads run.
        server: where tails run.

    Source: Kang et al., Neurosurgeon, ASPLOS 2017, Algorithm 1: sums over the layers.
    """
    heads_s, whole_s = (running_s(machine.layers_s(network.layers)) for machine in (device, server))
    costs = chain_cuts(
        network,
        heads_s,
        whole_s[-1] - whole_s,
        input_bytes=network.input_bytes,
        down_bytes=network.layers[-1].output_bytes,
    )
    firsts: dict[tuple[str, ...], CutCost] = {}
    for cost in costs:
        firsts.setdefault(cost.crossing, cost)  # a dropout hands on what it is given
    return tuple(firsts.values())


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
