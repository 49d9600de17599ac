import pytest
from tests.studies.support import result_of

from partway.studies import Setup, paper, with_planner
from partway.studies.findings import Claim
from partway.studies.with_planner import compare_ways


def test_more_choices_and_true_terms_never_do_worse(setup: Setup) -> None:
    for item in setup.configurations():
        ways = compare_ways(item)
        for objective in (0, 1):
            assert ways.packed[objective] <= ways.raw[objective] * (1 + 1e-9)
            assert ways.raw[objective] <= ways.paper[objective] * (1 + 1e-9)
            assert ways.gain("packed", objective) >= 1 - 1e-9


@pytest.mark.parametrize("claim", [paper.MEAN_GAIN, paper.MAX_GAIN, paper.MEAN_ENERGY_SAVED])
def test_the_planners_numbers_stand_beside_the_papers(setup: Setup, claim: Claim) -> None:
    quantity = f"{claim.quantity}, with partway's planner"
    (row,) = (row for row in result_of(with_planner.STUDY, setup).findings if row.quantity == quantity)
    assert row.paper == claim.value
    assert row.kind == "sensitivity"
    assert row.span is not None
    assert row.span[0] <= row.ours <= row.span[1]
