"""The machines that ship are what calibration gives from datasheets and the paper's status quo, and nothing else."""

from pathlib import Path

import pytest

from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, calibrate, named_machine, work_of_layer
from partway.zoo import paper_network

ROOT = Path(__file__).parents[3]
DECISION = ROOT / "docs" / "decisions" / "0015-machines-from-datasheets.md"

# AlexNet on one image, Fig. 3 of Kang et al., ASPLOS 2017.
STATUS_QUO_S = {"jetson-tk1-cpu": 0.382, "jetson-tk1-gpu": 0.081, "tesla-k40": 0.006}


def shipped(name: str) -> AnalyticMachine:
    machine = named_machine(name)
    assert machine is not None
    return machine


def test_a_name_is_its_machine_in_any_case_and_no_other_is() -> None:
    assert set(STATUS_QUO_S) == set(NAMED_MACHINES)
    for name in NAMED_MACHINES:
        assert shipped(f" {name.upper()} ") is shipped(name)
        assert shipped(name).name == name
    assert named_machine("jetson-nano") is None


@pytest.mark.parametrize("name", NAMED_MACHINES)
def test_the_efficiency_that_ships_is_what_calibration_gives(name: str) -> None:
    works = [work_of_layer(layer) for layer in paper_network("alexnet").layers]
    fitted = calibrate(shipped(name), works, STATUS_QUO_S[name])
    assert shipped(name).efficiency.value == pytest.approx(fitted.efficiency.value, rel=1e-3)
    assert sum(map(shipped(name).layer_s, works)) == pytest.approx(STATUS_QUO_S[name], rel=1e-3)
    assert [told for told, parameter in shipped(name).parameters() if parameter.source == "fitted"] == ["efficiency"]


def test_what_was_not_fitted_is_as_the_paper_says() -> None:
    layers = paper_network("alexnet").layers
    seconds = shipped("jetson-tk1-gpu").layers_s(layers)
    (fc6_s,) = (layer_s for layer, layer_s in zip(layers, seconds, strict=True) if layer.name == "fc6")
    assert fc6_s / seconds.sum() == pytest.approx(0.45, abs=0.01)  # Fig. 5


@pytest.mark.parametrize("name", NAMED_MACHINES)
def test_the_decision_has_every_number_that_ships(name: str) -> None:
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in DECISION.read_text().splitlines()]
    column = next(row for row in rows if set(NAMED_MACHINES) <= set(row)).index(name)
    told = {row[0].strip("`"): row[column] for row in rows if len(row) > column}
    for parameter, found in shipped(name).parameters():
        assert float(told[parameter].split()[0].replace(",", "")) == pytest.approx(found.value), parameter
