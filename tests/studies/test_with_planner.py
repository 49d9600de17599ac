from statistics import geometric_mean

import numpy as np
import pytest
from tests.studies.support import result_of

from partway.studies import Setup, with_planner
from partway.studies.with_planner import compare_ways


def test_more_choices_and_true_terms_never_do_worse(setup: Setup) -> None:
    for item in setup.configurations():
        ways = compare_ways(item)
        for objective in (0, 1):
            assert ways.packed[objective] <= ways.raw[objective] * (1 + 1e-9)
            assert ways.raw[objective] <= ways.paper[objective] * (1 + 1e-9)
            assert ways.gain("packed", objective) >= 1 - 1e-9


@pytest.mark.parametrize("measure", ["mean speed-up over", "largest speed-up over", "mean energy saved against"])
def test_the_planners_numbers_stand_beside_those_at_the_papers_cuts_by_the_same_terms(
    setup: Setup, measure: str
) -> None:
    rows = {row.quantity: row for row in result_of(with_planner.STUDY, setup).findings}
    theirs, ours = (
        rows[f"{measure} server-only, all counted: {way}"] for way in ("the paper's cuts", "partway's planner")
    )
    assert theirs.ours <= ours.ours
    assert ours.span is not None
    assert ours.span[0] <= ours.ours <= ours.span[1]


def test_no_row_holds_the_planner_against_a_number_by_other_terms(setup: Setup) -> None:
    assert all(row.paper is None for row in result_of(with_planner.STUDY, setup).findings)


def test_the_same_cut_takes_the_same_in_the_tables(setup: Setup) -> None:
    for table in result_of(with_planner.STUDY, setup).tables:
        for _, their_cut, theirs, our_cut, ours, _ in table.rows:
            assert (theirs == ours) or their_cut != our_cut


def test_the_papers_cuts_are_chosen_knowing_what_they_are_judged_by(setup: Setup, unsent: Setup) -> None:
    fastest, thriftiest = result_of(with_planner.STUDY, setup).tables
    for place, item in enumerate(unsent.configurations()):
        assert fastest.rows[place][1] == item.table.name_of(int(np.argmin(item.table.latency_s(item.link))))
        assert thriftiest.rows[place][1] == item.table.name_of(int(np.argmin(item.table.energy_j(item.link))))


def test_what_is_gained_without_asr_is_told(setup: Setup, unsent: Setup) -> None:
    (faster,) = (row for row in result_of(with_planner.STUDY, setup).findings if "times faster" in row.quantity)
    gains = [
        ways.gain("packed") / ways.gain("paper")
        for ways in map(compare_ways, unsent.configurations())
        if ways.item.network != "kaldi"
    ]
    assert faster.note.startswith(f"{geometric_mean(gains):.3g}x without ASR")
