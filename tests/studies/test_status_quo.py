from dataclasses import replace

import pytest
from tests.studies.support import finding_of

from partway.studies import Setup, paper, status_quo
from partway.studies.findings import Claim
from partway.studies.hardware import Device


def with_power(setup: Setup, power_w: float) -> Setup:
    devices: tuple[Device, ...] = tuple(replace(device, power_w=power_w) for device in setup.devices)
    return replace(setup, devices=devices)


def test_what_was_fitted_is_near_the_paper(setup: Setup) -> None:
    for claim in (paper.DEVICE_CPU_S, paper.DEVICE_GPU_S, paper.SERVER_S, paper.UPLOAD_3G_S):
        found = finding_of(status_quo.STUDY, setup, claim)
        assert found.kind == "fitted"
        assert found.ratio == pytest.approx(1.0, abs=0.02)


def test_all_orders_of_latency_hold(setup: Setup) -> None:
    for claim in (paper.GPU_BEATS_LTE, paper.GPU_BEATS_3G, paper.LTE_BEATS_CPU, paper.WIFI_BEATS_CPU):
        assert finding_of(status_quo.STUDY, setup, claim).holds is True


def test_an_order_that_does_not_hold_says_what_would_have_to_differ(setup: Setup) -> None:
    slow = replace(setup, links=tuple(replace(link, uplink_bytes_per_s=1e4) for link in setup.links))
    found = finding_of(status_quo.STUDY, slow, paper.LTE_BEATS_CPU)
    assert found.holds is False
    assert "LTE and the server would have to be" in found.note


@pytest.mark.parametrize(
    ("claim", "link", "needs_more"),
    [
        (paper.ENERGY_WIFI_SERVER, "Wi-Fi", True),
        (paper.ENERGY_LTE_GPU, "LTE", False),
        (paper.ENERGY_3G_GPU, "3G", False),
    ],
)
def test_an_order_of_energy_turns_at_the_watts_that_its_note_names(
    setup: Setup, claim: Claim, link: str, needs_more: bool
) -> None:
    table = setup.table("alexnet", setup.device("GPU"))
    turn_w = float(table.energy_j(setup.link(link))[0] / table.device_s[-1])
    assert f"{turn_w:.3g} W" in finding_of(status_quo.STUDY, setup, claim).note
    assert finding_of(status_quo.STUDY, with_power(setup, 1.01 * turn_w), claim).holds is needs_more
    assert finding_of(status_quo.STUDY, with_power(setup, 0.99 * turn_w), claim).holds is not needs_more
