import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.studies import Setup
from partway.studies.choosing import believed, believed_table, choose_energy, choose_latency


def test_whoever_knows_the_truth_chooses_the_best_everywhere(setup: Setup) -> None:
    for item in setup.configurations():
        table = believed_table(item.table, item.device.machine, setup.server)
        for outcome in (choose_latency(item, table), choose_energy(item, table)):
            assert outcome.optimal
            assert outcome.share == pytest.approx(1.0)


@given(data=st.data())
def test_no_belief_does_better_than_the_truth(setup: Setup, data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(tuple(setup.configurations())))
    count = len(item.table.network.layers)
    sides = st.lists(st.floats(0, 10), min_size=count, max_size=count).filter(any).map(np.array)
    table = believed(item.table, data.draw(sides), data.draw(sides))
    for outcome in (choose_latency(item, table), choose_energy(item, table)):
        assert 0 < outcome.share <= 1
        assert outcome.optimal == (outcome.share == pytest.approx(1.0))


def test_belief_changes_seconds_and_joules_and_no_bytes(setup: Setup) -> None:
    table = setup.table("mnist", setup.device("CPU"))
    twice = believed(table, 2 * np.diff(table.device_s), np.diff(table.device_s))
    assert twice.device_s == pytest.approx(2 * table.device_s)
    assert twice.device_j == pytest.approx(2 * table.device_j)
    assert twice.server_s == pytest.approx(table.device_s[-1] - table.device_s)
    assert np.array_equal(twice.up_bytes, table.up_bytes)
