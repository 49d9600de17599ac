import pytest

from partway.reporting import Bars
from partway.studies import Setup, layer_costs


def test_bytes_are_those_of_the_shapes_and_seconds_add_up_to_the_whole(setup: Setup) -> None:
    result = layer_costs.run(setup)
    shrinks, pools, _ = result.findings
    assert shrinks.ours == pytest.approx(173_056 / 36_864)
    assert pools.ours is True
    panel = result.charts[0].panels[0]
    assert isinstance(panel, Bars)
    whole_s = setup.table("alexnet", setup.device("GPU")).device_s[-1]
    assert sum(panel.series[0].values) == pytest.approx(whole_s)
    assert len(result.tables[0].rows) == 24


def test_fc6_is_the_layer_that_takes_the_longest(setup: Setup) -> None:
    (row,) = (row for row in layer_costs.run(setup).tables[0].rows if row[0] == "fc6")
    shares = [float(other[3].removesuffix(" %")) for other in layer_costs.run(setup).tables[0].rows]
    assert float(row[3].removesuffix(" %")) == max(shares)
