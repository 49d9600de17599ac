import numpy as np
import pytest

from partway.studies import Setup
from partway.studies.layer_ratios import (
    beyond_peak,
    layer_points,
    machines_of,
    network_ratios,
    ratio_findings,
    stretch_points,
)
from partway.studies.layer_times import filed_networks


def test_a_machine_is_right_of_the_network_that_it_was_fitted_to(setup: Setup) -> None:
    for machine, near in zip(machines_of(setup).values(), (0.02, 0.02, 0.15), strict=True):
        assert network_ratios(machine)[0] == pytest.approx(1.0, abs=near)


def test_only_gpus_seem_to_be_above_their_peak(setup: Setup) -> None:
    cpu, gpu, server = machines_of(setup).values()
    vgg = filed_networks()["vgg19"]
    assert not any(beyond_peak(filed, cpu) for filed in filed_networks().values())
    assert max(beyond_peak(vgg, gpu)) > 60
    assert max(beyond_peak(vgg, server)) > 10


def test_stretches_hold_all_seconds_and_single_layers_all_but_dropouts(setup: Setup) -> None:
    for filed in filed_networks().values():
        for machine in machines_of(setup).values():
            seconds = filed.seconds[machine.name]
            stretched = list(stretch_points(filed, machine))
            assert sum(point.filed_s for point in stretched) == pytest.approx(seconds.sum())
            assert sum(point.ours_s for point in stretched) == pytest.approx(
                machine.layers_s(filed.network.layers).sum()
            )
            single = [point.filed_s for point in layer_points(filed, machine)]
            assert len(single) == sum(layer.kind != "dropout" for layer in filed.network.layers)


def test_findings_are_no_numbers_of_the_papers(setup: Setup) -> None:
    for finding, machine in zip(ratio_findings(setup), machines_of(setup).values(), strict=True):
        assert (finding.paper, finding.certainty, finding.kind) == (None, "authors' files", "predicted")
        assert finding.agrees(0.2) is None
        assert finding.span == pytest.approx((network_ratios(machine).min(), network_ratios(machine).max()))
        assert finding.ours == pytest.approx(float(np.exp(np.log(network_ratios(machine)).mean())))
