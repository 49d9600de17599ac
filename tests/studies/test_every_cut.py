from dataclasses import replace

import pytest
from tests.studies.support import finding_of

from partway.reporting import Bars
from partway.studies import Setup, every_cut, paper


def test_the_fastest_cut_is_after_pool5_and_about_twice_as_fast(setup: Setup) -> None:
    best, gain = (
        finding_of(every_cut.STUDY, setup, paper.BEST_LATENCY_POOL5),
        finding_of(every_cut.STUDY, setup, paper.POOL5_GAIN),
    )
    assert best.holds is True
    assert gain.holds is True
    assert "stays so with a GPU" in best.note


def test_a_cut_that_is_not_the_best_says_which_is_and_what_would_have_to_differ(setup: Setup) -> None:
    slow = replace(setup, links=tuple(replace(link, uplink_bytes_per_s=1e12) for link in setup.links))
    found = finding_of(every_cut.STUDY, slow, paper.BEST_LATENCY_POOL5)
    assert found.holds is False
    assert found.note.startswith("the best is server")


def test_the_watts_in_the_note_save_what_the_paper_saves(setup: Setup) -> None:
    found = finding_of(every_cut.STUDY, setup, paper.POOL5_ENERGY_SAVED)
    power_w = float(found.note.split("draws ")[1].split(" W")[0])
    drawing = replace(setup, devices=tuple(replace(device, power_w=power_w) for device in setup.devices))
    assert finding_of(every_cut.STUDY, drawing, paper.POOL5_ENERGY_SAVED).ours == pytest.approx(0.18, abs=0.005)


def test_the_span_of_energy_is_over_the_watts_that_a_device_may_draw(setup: Setup) -> None:
    found = finding_of(every_cut.STUDY, setup, paper.POOL5_ENERGY_SAVED)
    assert found.span is not None
    assert found.span[0] < found.ours < found.span[1]


def test_all_25_cuts_are_shown_and_the_best_is_starred(setup: Setup) -> None:
    result = every_cut.run(setup)
    assert len(result.tables[0].rows) == 25
    latency = result.charts[0].panels[0]
    assert isinstance(latency, Bars)
    assert latency.best == latency.categories.index("pool5")
