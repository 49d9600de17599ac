import pytest

from partway.errors import InputError
from partway.studies import Setup
from partway.studies.hardware import DEVICE_NAMES, DEVICE_POWER_RANGE_W, Device, analytic_machine


def test_the_image_takes_as_long_as_in_the_paper(setup: Setup) -> None:
    image_bytes = setup.networks["alexnet"].input_bytes
    uploads_s = {link.name: image_bytes / link.uplink_bytes_per_s for link in setup.links}
    assert uploads_s == pytest.approx({"Wi-Fi": 0.095, "LTE": 0.180, "3G": 0.870})


def test_watts_lie_in_the_range_of_the_eight_networks() -> None:
    for name, label in zip(DEVICE_NAMES, DEVICE_POWER_RANGE_W, strict=True):
        low_w, high_w = DEVICE_POWER_RANGE_W[label]
        assert low_w < Device.named(name, label).power_w < high_w


def test_a_machine_that_does_not_ship_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match=r"'tesla-k4' is no machine that ships with the package; they are .*tesla-k40"):
        analytic_machine("tesla-k4")
