from dataclasses import replace

import numpy as np
import pytest
from tests.studies.support import finding_of, result_of

from partway.studies import Setup, paper, speed_ups


def test_means_and_maxima_are_sensitivities_with_their_span_and_no_mark(setup: Setup) -> None:
    for claim in (paper.MEAN_GAIN, paper.MAX_GAIN, paper.MEAN_ENERGY_SAVED, paper.MAX_ENERGY_SAVED):
        finding = finding_of(speed_ups.STUDY, setup, claim)
        assert (finding.kind, finding.mark) == ("sensitivity", None)
        assert finding.span is not None
        assert finding.span[0] <= finding.ours <= finding.span[1]
        assert "combinations of sizes" in finding.note


def test_the_device_that_a_note_names_gives_the_papers_number(setup: Setup) -> None:
    note = finding_of(speed_ups.STUDY, setup, paper.MAX_GAIN).note
    speed = float(note.split("a device ")[1].split(" times")[0])
    gains = []
    for item in setup.configurations():
        latency_s = item.table.faster(device=speed).latency_s(item.link)
        gains.append(latency_s[0] / latency_s.min())
    assert max(gains) == pytest.approx(40.7, rel=0.01)


def test_every_reading_of_what_is_sent_is_told_and_spanned(setup: Setup) -> None:
    result = result_of(speed_ups.STUDY, setup)
    rows = {row[0]: row[1:] for row in result.tables[0].rows}
    assert len(rows) == 6
    span = finding_of(speed_ups.STUDY, setup, paper.MAX_GAIN).span
    assert span is not None
    for place, (result_sent, element_bytes) in enumerate(((True, 1), (False, 1), (True, 4), (False, 4)), start=1):
        other = replace(setup, result_sent=result_sent, image_element_bytes=element_bytes)
        largest = max(item.gain for item in other.configurations())
        assert rows["largest speed-up"][place] == f"{largest:.3g}x"
        assert span[0] <= largest <= span[1]
    assert rows["largest speed-up"][0] == "40.7x"


def test_what_stays_on_the_server_bounds_the_mean_of_energy(setup: Setup) -> None:
    finding = finding_of(speed_ups.STUDY, setup, paper.MEAN_ENERGY_SAVED)
    saved = np.array([item.energy_saved for item in setup.configurations()])
    assert f"in {int((saved == 0).sum())} configurations" in finding.note
    assert finding.ours < float((saved > 0).mean())


def test_vgg_over_3g_says_what_20x_would_take(setup: Setup) -> None:
    found = finding_of(speed_ups.STUDY, setup, paper.VGG_3G_GPU_GAIN)
    assert found.note.startswith("20x would take the GPU to run VGG in ")
    assert "peak alone allows" in found.note
