from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.studies import Setup
from partway.studies.layer_times import filed_networks
from partway.studies.measured_costs import (
    FILED,
    OURS,
    SPREAD,
    WAITING,
    Reading,
    readings_by_name,
    spread_waits,
    stretches,
)
from partway.zoo import PAPER_NETWORKS

networks = st.sampled_from(PAPER_NETWORKS)


@given(networks)
def test_stretches_are_all_layers_in_order_each_up_to_one_that_waits(name: str) -> None:
    layers = filed_networks()[name].network.layers
    runs = [layers[stretch] for stretch in stretches(layers)]
    assert tuple(layer for run in runs for layer in run) == layers
    assert all(run[-1].kind in WAITING for run in runs)
    assert not any(layer.kind in WAITING for run in runs for layer in run[:-1])


@given(networks, st.integers(0, 2**32 - 1))
def test_spreading_waits_keeps_every_sum_up_to_a_wait(name: str, seed: int) -> None:
    layers = filed_networks()[name].network.layers
    chance = np.random.default_rng(seed)
    filed_s, ours_s = chance.uniform(1e-6, 1.0, (2, len(layers)))
    spread_s = spread_waits(layers, filed_s, ours_s)
    assert np.all(spread_s > 0)
    for stretch in stretches(layers):
        assert spread_s[: stretch.stop].sum() == pytest.approx(filed_s[: stretch.stop].sum())
        assert spread_s[stretch] / spread_s[stretch].sum() == pytest.approx(ours_s[stretch] / ours_s[stretch].sum())


def test_a_stretch_that_our_machine_says_nothing_of_stays_as_filed() -> None:
    layers = filed_networks()["alexnet"].network.layers
    first, *_ = stretches(layers)
    filed_s, ours_s = np.arange(1.0, len(layers) + 1), np.ones(len(layers))
    ours_s[first] = 0.0
    spread_s = spread_waits(layers, filed_s, ours_s)
    assert np.array_equal(spread_s[first], filed_s[first])
    assert np.all(np.isfinite(spread_s))


def test_whole_networks_take_what_was_filed_however_waits_are_told(setup: Setup) -> None:
    readings = readings_by_name(setup)
    for name in (FILED, SPREAD):
        for network, pair in readings[name].pairs().items():
            seconds = filed_networks()[network].seconds
            for table in pair:
                assert table.device_s[-1] == pytest.approx(seconds[table.device].sum())
                assert table.server_s[0] == pytest.approx(seconds[table.server].sum())


def test_our_machines_on_the_files_networks_are_those_of_the_set_up_where_nothing_differs(setup: Setup) -> None:
    pairs = readings_by_name(setup)[OURS].pairs()
    for network in set(PAPER_NETWORKS) - {"alexnet", "deepface"}:
        for table, device in zip(pairs[network], setup.devices, strict=True):
            assert table.latency_s(setup.links[0]) == pytest.approx(
                setup.table(network, device).latency_s(setup.links[0])
            )


def test_their_program_has_rates_inputs_and_watts_of_its_own(setup: Setup) -> None:
    theirs = readings_by_name(setup)["their program"]
    assert [8e-6 * link.uplink_bytes_per_s for link in theirs.setup.links] == pytest.approx([12.44, 5.5, 1.44])
    cpu, gpu = theirs.pairs()["alexnet"]
    assert cpu.up_bytes[0] == 4 * 227 * 227 * 3
    _, asr = theirs.pairs()["kaldi"]
    assert asr.device_j[-1] / asr.device_s[-1] == pytest.approx(10.8)
    assert gpu.device_j[-1] / gpu.device_s[-1] == pytest.approx(8.7)


def test_a_reading_has_the_digits_that_it_says(setup: Setup) -> None:
    for digits in (100, 10):
        cpu, _ = Reading(seconds="filed", setup=replace(setup), digits=digits).pairs()["mnist"]
        assert cpu.up_bytes[0] == digits * 28 * 28
