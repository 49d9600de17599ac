import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from partway.prediction.analytic import work_of_layer
from partway.studies import Setup
from partway.studies.cut_costs import CostTable
from partway.studies.hardware import PaperLink

SETUP = Setup.of_paper()
TABLES = {(name, device.label): SETUP.table(name, device) for name in SETUP.networks for device in SETUP.devices}

tables = st.sampled_from(sorted(TABLES)).map(TABLES.__getitem__)
links = st.builds(
    lambda link, rate: replace(link, uplink_bytes_per_s=rate), st.sampled_from(SETUP.links), st.floats(1e3, 1e9)
)
slowdowns = st.floats(1.0, 50.0)


def layer_seconds(table: CostTable) -> tuple[list[float], list[float]]:
    """Seconds of each layer on the device and on the server, by the machines themselves."""
    device = next(device for device in SETUP.devices if device.name == table.device)
    works = [work_of_layer(layer) for layer in table.network.layers]
    return [device.machine.layer_s(work) for work in works], [SETUP.server.layer_s(work) for work in works]


@given(tables, links, slowdowns, st.booleans())
def test_the_ends_are_the_server_alone_and_the_device_alone(
    table: CostTable, link: PaperLink, slowdown: float, result_sent: bool
) -> None:
    device = next(device for device in SETUP.devices if device.name == table.device)
    table = replace(SETUP, result_sent=result_sent).table(table.network.name, device)
    on_device_s, on_server_s = layer_seconds(table)
    latency_s, energy_j = table.latency_s(link, slowdown), table.energy_j(link)
    sent_s = table.network.input_bytes / link.uplink_bytes_per_s
    assert latency_s[0] == pytest.approx(sent_s + slowdown * sum(on_server_s))
    assert energy_j[0] == pytest.approx(link.tx_w * sent_s)
    result_bytes = 4 * math.prod(table.network.layers[-1].output_shape) if result_sent else 0
    result_s = result_bytes / link.uplink_bytes_per_s
    assert latency_s[-1] == pytest.approx(sum(on_device_s) + result_s)
    assert energy_j[-1] == pytest.approx(device.power_w * sum(on_device_s) + link.tx_w * result_s)


@given(tables, links, slowdowns, st.data())
def test_latency_and_energy_of_a_cut_are_those_of_algorithm_1(
    table: CostTable, link: PaperLink, slowdown: float, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(table) - 2))
    on_device_s, on_server_s = layer_seconds(table)
    power_w = next(device.power_w for device in SETUP.devices if device.name == table.device)
    sent_s = table.network.layers[cut - 1].output_bytes / link.uplink_bytes_per_s
    expected_s = sum(on_device_s[:cut]) + sent_s + slowdown * sum(on_server_s[cut:])
    assert table.latency_s(link, slowdown)[cut] == pytest.approx(expected_s)
    assert table.energy_j(link)[cut] == pytest.approx(power_w * sum(on_device_s[:cut]) + link.tx_w * sent_s)


@given(tables, links, st.floats(1.0, 100.0))
def test_a_slower_link_never_makes_the_best_cut_send_more(table: CostTable, link: PaperLink, times: float) -> None:
    slower = replace(link, uplink_bytes_per_s=link.uplink_bytes_per_s / times)
    fast, slow = (int(np.argmin(table.latency_s(one))) for one in (link, slower))
    assert table.up_bytes[slow] <= table.up_bytes[fast]


@given(tables, links, st.floats(1.0, 100.0))
def test_a_slower_link_never_moves_work_to_a_faster_server(table: CostTable, link: PaperLink, times: float) -> None:
    assume(np.all(np.diff(table.device_s) >= -np.diff(table.server_s)))
    slower = replace(link, uplink_bytes_per_s=link.uplink_bytes_per_s / times)
    fast, slow = (int(np.argmin(table.latency_s(one))) for one in (link, slower))
    assert table.device_s[slow] >= table.device_s[fast]


@given(tables, links, slowdowns)
def test_a_busy_server_never_makes_the_best_faster_or_worse_than_the_device(
    table: CostTable, link: PaperLink, slowdown: float
) -> None:
    best_s = table.latency_s(link, slowdown).min()
    assert table.latency_s(link).min() <= best_s <= table.latency_s(link)[-1]


@given(tables, links, st.floats(0.1, 10.0))
def test_faster_machines_and_hungrier_ones_scale_what_they_say(table: CostTable, link: PaperLink, times: float) -> None:
    faster = table.faster(device=times, server=times)
    sent_s = table.up_bytes / link.uplink_bytes_per_s
    np.testing.assert_allclose(faster.latency_s(link) - sent_s, (table.latency_s(link) - sent_s) / times, atol=1e-9)
    sent_j = table.energy_j(link) - table.device_j
    np.testing.assert_allclose(table.drawing(times).energy_j(link), times * table.device_j + sent_j)


def test_cuts_are_named_after_the_layer_before_them() -> None:
    table = TABLES["alexnet", "GPU"]
    names = [table.name_of(cut) for cut in range(len(table))]
    assert (names[0], names[1], names[-1]) == ("server", table.network.layers[0].name, "device")
    assert len(names) == len(table.network.layers) + 1
