import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.studies.support import result_of

from partway.link import Trace
from partway.reporting import Lines
from partway.studies import Setup, varying_link
from partway.studies.varying_link import lte_trace, play, reckon

MIDDLE = 1e6


def test_the_same_seed_makes_the_same_rates_and_another_makes_others() -> None:
    assert lte_trace(MIDDLE, 3) == lte_trace(MIDDLE, 3)
    assert lte_trace(MIDDLE, 3) != lte_trace(MIDDLE, 4)


def test_rates_vary_around_their_middle_and_wander_back_to_it() -> None:
    logs = np.log(np.array(lte_trace(MIDDLE, 0, duration_s=20_000).rates_bytes_per_s) / MIDDLE)
    assert np.median(logs) == pytest.approx(0.0, abs=0.05)
    assert logs.std() == pytest.approx(varying_link._SPREAD, rel=0.05)
    assert np.corrcoef(logs[:-1], logs[1:])[0, 1] == pytest.approx(varying_link._KEPT, abs=0.02)


def test_the_first_rate_is_spread_as_all_others_are() -> None:
    first = [lte_trace(MIDDLE, seed, duration_s=1).rates_bytes_per_s[0] for seed in range(1000)]
    assert np.log(np.array(first) / MIDDLE).std() == pytest.approx(varying_link._SPREAD, rel=0.1)


def test_over_a_link_that_stays_every_way_is_as_calculated(unsent: Setup) -> None:
    link = unsent.link("LTE")
    table = unsent.table("alexnet", unsent.device("GPU"))
    latency_s = table.latency_s(link)
    ways = play(table, Trace(starts_s=(0.0, 1.0, 2.0), rates_bytes_per_s=(link.uplink_bytes_per_s,) * 3))
    assert ways.server_only_s == pytest.approx(latency_s[0])
    for seconds in (ways.chosen_s, ways.late_s, ways.clairvoyant_s):
        assert seconds == pytest.approx(latency_s.min())


@given(seed=st.integers(0, 1000), label=st.sampled_from(["CPU", "GPU"]))
def test_hindsight_is_never_worse(unsent: Setup, seed: int, label: str) -> None:
    table = unsent.table("alexnet", unsent.device(label))
    ways = play(table, lte_trace(MIDDLE, seed, duration_s=5))
    for seconds in (ways.server_only_s, ways.chosen_s, ways.late_s):
        assert np.all(ways.clairvoyant_s <= seconds)
    assert np.all(ways.clairvoyant_s <= ways.device_only_s * (1 + 1e-9))


def test_the_more_the_rate_falls_while_a_query_is_sent_the_later_it_is_answered(unsent: Setup) -> None:
    table = unsent.table("alexnet", unsent.device("CPU"))
    steady, falling = (Trace(starts_s=(0.0, 0.01), rates_bytes_per_s=(MIDDLE, rate)) for rate in (MIDDLE, MIDDLE / 10))
    assert play(table, falling).server_only_s[0] > play(table, steady).server_only_s[0]


def test_the_statement_is_judged_by_rates_that_change_while_a_query_is_sent(setup: Setup, unsent: Setup) -> None:
    (found,) = (row for row in result_of(varying_link.STUDY, setup).findings if row.mark is not None)
    link = unsent.link("LTE")
    ways = play(unsent.table("alexnet", unsent.device("CPU")), lte_trace(link.uplink_bytes_per_s, unsent.seed))
    assert found.holds == (ways.chosen_s.max() <= 1.02 * ways.device_only_s)


def test_what_the_note_asks_for_is_flat(setup: Setup, unsent: Setup) -> None:
    (found,) = (row for row in result_of(varying_link.STUDY, setup).findings if row.mark is not None)
    asked = re.search(r"spread of up to ([0-9.]+).* reckoning with up to ([0-9.]+) of the rate", found.note)
    assert asked is not None
    spread, share = map(float, asked.groups())
    table, middle = unsent.table("alexnet", unsent.device("CPU")), unsent.link("LTE").uplink_bytes_per_s
    most_s = 1.02 * table.device_s[-1]
    assert reckon(table, lte_trace(middle, 0, spread=spread)).max() <= most_s
    assert reckon(table, lte_trace(middle, 0, spread=spread + 0.05)).max() > most_s
    assert reckon(table, lte_trace(middle, 0), share).max() <= most_s
    assert reckon(table, lte_trace(middle, 0), share + 0.05).max() > most_s


def test_the_picture_shows_what_the_mark_judges(setup: Setup, unsent: Setup) -> None:
    (chart,) = result_of(varying_link.STUDY, setup).charts
    (panel,) = (panel for panel in chart.panels if panel.title == "Latency, device CPU")
    assert isinstance(panel, Lines)
    (judged,) = (series for series in panel.series if series.name == "cut anew")
    link = unsent.link("LTE")
    ways = play(unsent.table("alexnet", unsent.device("CPU")), lte_trace(link.uplink_bytes_per_s, unsent.seed))
    assert [seconds for _, seconds in judged.points] == pytest.approx(ways.chosen_s)
