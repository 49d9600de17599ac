import pytest

from partway.errors import InputError
from partway.studies import Setup
from partway.zoo import PAPER_NETWORKS

SETUP = Setup.of_paper()


def test_there_are_48_configurations_of_8_networks() -> None:
    configurations = tuple(SETUP.configurations())
    assert len(configurations) == 48
    assert len({(item.network, item.device.label, item.link.name) for item in configurations}) == 48
    assert all(item.gain >= 1.0 for item in configurations)
    assert all(0.0 <= item.energy_saved < 1.0 for item in configurations)


def test_sizes_of_a_query_are_those_that_are_given() -> None:
    setup = Setup.of_paper(queries={"mnist": 7})
    assert setup.networks["mnist"].queries == 7
    assert setup.networks["kaldi"].queries == SETUP.networks["kaldi"].queries
    with pytest.raises(InputError, match="resnet is no network of the paper's; they are alexnet"):
        Setup.of_paper(queries={"resnet": 1})
    assert tuple(SETUP.networks) == PAPER_NETWORKS
