from pathlib import Path

import pytest
from hypothesis import given
from tests.planning.strategies import any_conditions, cost_sets, device_only

from partway.documents import decode_document, encode_document, read_document, write_document
from partway.errors import DocumentError, InputError
from partway.planning.costs import Conditions, CutCost
from partway.planning.plan import PlanDocument, make_plan, rank


def plan_of(costs: list[CutCost]) -> PlanDocument:
    return make_plan(
        model="sha256:00",
        binding="{}",
        costs=costs,
        device="a device",
        server="a server",
        created_from="measured here",
    )


@given(cost_sets)
def test_a_plan_survives_being_stored(costs: list[CutCost]) -> None:
    plan = plan_of(costs)
    assert decode_document(encode_document(plan), PlanDocument) == plan


def test_a_plan_is_read_back_from_its_file(tmp_path: Path) -> None:
    plan = plan_of([device_only(1.0)])
    write_document(tmp_path / "plan.json", plan)
    assert read_document(tmp_path / "plan.json", PlanDocument) == plan


def test_a_plan_of_a_later_version_is_refused_with_both_versions_named() -> None:
    text = encode_document(plan_of([device_only(1.0)])).replace(b'"version": 2', b'"version": 3')
    with pytest.raises(DocumentError, match=r"version 3 of 'partway.plan'; this release reads version 2"):
        decode_document(text, PlanDocument)


def test_a_stored_plan_with_an_impossible_cost_is_damaged() -> None:
    text = encode_document(plan_of([device_only(1.0)])).replace(b'"device_s": 1.0', b'"device_s": -1.0')
    with pytest.raises(DocumentError, match="damaged"):
        decode_document(text, PlanDocument)


@pytest.mark.parametrize("rows", [(), (1,), (-1,), (0, 0)])
def test_a_frontier_that_does_not_fit_the_costs_is_refused(rows: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="frontier"):
        PlanDocument(
            model="sha256:00",
            binding="{}",
            device="",
            server="",
            costs=(device_only(1.0),),
            frontier=rows,
            created_from="",
        )


@given(cost_sets, any_conditions())
def test_ranking_shows_every_cut_fastest_first(costs: list[CutCost], conditions: Conditions) -> None:
    plan = plan_of(costs)
    ranked = rank(plan, conditions)
    assert sorted(row.index for row in ranked) == list(range(len(costs)))
    assert [row.latency_s for row in ranked] == sorted(row.latency_s for row in ranked)
    for row in ranked:
        assert row.cost is plan.costs[row.index]
        assert row.parts.total_s == pytest.approx(row.latency_s)
        assert row.on_frontier == (row.cost in plan.frontier_costs() and row.index in plan.frontier)
