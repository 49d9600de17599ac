from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, device_only, metered_sets, office, power_draws

from partway.documents import decode_document, encode_document, read_document, write_document
from partway.errors import DocumentError, InputError
from partway.link.radio import NAMED_RADIOS
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost
from partway.planning.decision import decide
from partway.planning.energy import DeviceDraw, PowerDraw
from partway.planning.objective import LATENCY, OBJECTIVES, Goal, ObjectiveName
from partway.planning.pareto import pareto
from partway.planning.plan import PlanDocument, SearchRecord, make_plan
from partway.planning.ranking import rank

LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
DRAW = PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=1.0)
FOUND = SearchRecord(
    nodes=9, single_tensor_cuts=5, proposed=3, searches=40, seconds=0.1, certified=True, tolerance=0.001, gap=0.02
)


ANY_DRAW = DeviceDraw.of(NAMED_RADIOS["lte"], device_idle_w=1.0)


def plan_of(
    costs: list[CutCost], goal: Goal = LATENCY, draw: DeviceDraw | None = ANY_DRAW, search: SearchRecord | None = None
) -> PlanDocument:
    return make_plan(
        model="sha256:00",
        binding="{}",
        costs=costs,
        device="a device",
        server="a server",
        created_from="measured here",
        goal=goal,
        draw=draw,
        search=search,
    )


@given(cost_sets)
def test_a_plan_survives_being_stored(costs: list[CutCost]) -> None:
    plan = plan_of(costs, search=FOUND)
    assert decode_document(encode_document(plan), PlanDocument) == plan


def test_a_plans_goal_survives_being_stored() -> None:
    limits = Constraints(deadline_s=1.0, energy_budget_j=5.0, max_error=0.01, keep_on_device=("inputs",))
    plan = plan_of(office(), Goal(objective="balanced", constraints=limits, seconds_per_joule=0.5))
    again = decode_document(encode_document(plan), PlanDocument)
    assert again == plan
    assert again.goal == Goal(objective="balanced", constraints=limits, seconds_per_joule=0.5)


def test_a_plan_is_read_back_from_its_file(tmp_path: Path) -> None:
    plan = plan_of([device_only(1.0)])
    write_document(tmp_path / "plan.json", plan)
    assert read_document(tmp_path / "plan.json", PlanDocument) == plan


def test_a_plan_of_another_version_is_refused_with_both_versions_named() -> None:
    text = encode_document(plan_of([device_only(1.0)])).replace(b'"version": 3', b'"version": 2')
    with pytest.raises(DocumentError, match=r"version 2 of 'partway.plan'; this release reads version 3"):
        decode_document(text, PlanDocument)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"device_s": 1.0', b'"device_s": -1.0'),
        (b'"deadline_s": null', b'"deadline_s": -1.0'),
        (b'"seconds_per_joule": null', b'"seconds_per_joule": 0.0'),
        (b'"objective": "latency"', b'"objective": "speed"'),
    ],
)
def test_a_stored_plan_with_impossible_numbers_is_damaged(good: bytes, bad: bytes) -> None:
    text = encode_document(plan_of([device_only(1.0)]))
    assert good in text
    with pytest.raises(DocumentError, match="damaged"):
        decode_document(text.replace(good, bad), PlanDocument)


@pytest.mark.parametrize("rows", [(), (1,), (-1,), (0, 0)])
@pytest.mark.parametrize("name", ["frontier", "pareto"])
def test_rows_that_do_not_fit_the_costs_are_refused(name: str, rows: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"the plan's {name} is"):
        msgspec.structs.replace(plan_of([device_only(1.0)]), **{name: rows})


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
        assert (row.value, row.feasible, row.misses) == (row.latency_s, True, ())


@given(metered_sets, any_conditions(), power_draws, st.sampled_from(OBJECTIVES), st.floats(1e-3, 100))
def test_the_first_of_a_ranking_is_what_a_decision_takes(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, objective: ObjectiveName, deadline_s: float
) -> None:
    goal = Goal(objective=objective, constraints=Constraints(deadline_s=deadline_s))
    plan = plan_of(costs, goal)
    ranked = rank(plan, conditions, draw, 0.5)
    feasible = [row.feasible for row in ranked]
    assert feasible == sorted(feasible, reverse=True)
    assert all(row.feasible == (not row.misses) for row in ranked)
    if not any(feasible):
        assert [row.latency_s for row in ranked] == sorted(row.latency_s for row in ranked)
        with pytest.raises(InputError, match="deadline"):
            decide(CostTable.of(costs), conditions, goal=goal, draw=draw, charge=0.5)
        return
    decision = decide(CostTable.of(plan.costs), conditions, goal=plan.goal, draw=draw, charge=0.5)
    assert (ranked[0].value, ranked[0].latency_s) == (decision.value, decision.latency_s)
    assert ranked[0].inputs_per_s == decision.inputs_per_s


def test_what_misses_a_constraint_comes_last_and_says_why() -> None:
    goal = Goal(constraints=Constraints(device_memory_bytes=1_000_000, deadline_s=0.4))
    ranked = rank(plan_of(office(), goal), Conditions(uplink_bytes_per_s=2e6, downlink_bytes_per_s=2e6, rtt_s=0.01))
    assert [(row.index, row.feasible) for row in ranked] == [(0, True), (1, False), (2, False)]
    assert ranked[1].misses == ("needs 2 MB, 1 MB over the limit on the device's memory of 1 MB",)


def test_a_cut_of_unknown_joules_comes_last_where_joules_count() -> None:
    costs = office()
    costs[1] = msgspec.structs.replace(costs[1], device_j=None, device_j_how=None)
    last = rank(plan_of(costs, Goal(objective="energy")), LINK, DRAW)[-1]
    assert (last.index, last.value, last.feasible) == (1, None, False)
    assert last.misses == ("costs joules that are not known",)


def test_a_ranking_by_throughput_names_the_stage_that_bounds_each_cut() -> None:
    ranked = rank(plan_of(office(), Goal(objective="throughput")), LINK)
    assert [(row.index, row.slowest, row.value) for row in ranked] == [
        (1, "device", 0.1),
        (2, "device", 0.165),
        (0, "uplink", 0.6),
    ]
    assert ranked[0].inputs_per_s == 10.0


def test_decisions_choose_from_the_frontier_or_where_the_goal_is_not_linear_from_the_pareto_set() -> None:
    costs = office()
    for goal in (LATENCY, Goal(objective="energy"), Goal(objective="balanced")):
        assert plan_of(costs, goal).choices == plan_of(costs, goal).frontier
    for goal in (
        Goal(objective="throughput"),
        Goal(constraints=Constraints(deadline_s=1.0)),
        Goal(objective="energy", constraints=Constraints(energy_budget_j=1.0)),
    ):
        assert plan_of(costs, goal).choices == plan_of(costs, goal).pareto == pareto(costs)


def test_cuts_that_miss_a_limit_whatever_the_link_are_kept_nowhere() -> None:
    costs = office()
    costs.append(msgspec.structs.replace(costs[1], codec="int8", up_bytes=10_000, error=0.01))
    assert 3 not in plan_of(costs).frontier
    assert 3 not in plan_of(costs).pareto
    allowed = plan_of(costs, Goal(constraints=Constraints(max_error=0.02)))
    assert 3 in allowed.frontier
    small = plan_of(costs, Goal(constraints=Constraints(max_up_bytes=50_000)))
    assert (small.frontier, small.pareto) == ((1, 2), (1, 2))
    with pytest.raises(InputError, match="the nearest, the cut at pool5, sends 40 kB"):
        plan_of(costs[:2], Goal(constraints=Constraints(max_up_bytes=1_000)))


def test_a_balanced_plan_remembers_what_a_joule_counts() -> None:
    assert plan_of(office(), Goal(objective="balanced")).seconds_per_joule == pytest.approx(0.2)
    assert plan_of(office(), Goal(objective="balanced", seconds_per_joule=3.0)).seconds_per_joule == 3.0
    assert plan_of(office()).seconds_per_joule is None


def test_a_plan_that_counts_joules_which_nothing_tells_is_refused() -> None:
    for goal in (Goal(objective="energy"), Goal(constraints=Constraints(energy_budget_j=1.0))):
        with pytest.raises(InputError, match="the device draws is not known here; add --device-power"):
            plan_of(office(), goal, draw=None)
        with pytest.raises(InputError, match="heads cost is not known here"):
            plan_of(office(device_w=None), goal)


@pytest.mark.parametrize(("codec", "error", "most"), [("int8", 0.0, None), ("int8", 0.02, 0.01), ("raw", 0.02, None)])
def test_rows_that_lose_more_than_is_accepted_are_never_read(codec: str, error: float, most: float | None) -> None:
    made = plan_of(office())
    lossy = [msgspec.structs.replace(cost, codec=codec, error=error) for cost in made.costs]
    with pytest.raises(InputError, match=r"may change answers by .* make the plan anew with --max-error"):
        msgspec.structs.replace(made, costs=tuple(lossy), constraints=Constraints(max_error=most))


def test_a_codec_that_nobody_knows_is_refused() -> None:
    made = plan_of(office())
    odd = [msgspec.structs.replace(cost, codec="nonsense") for cost in made.costs]
    with pytest.raises(InputError, match="codec 'nonsense' is unknown"):
        msgspec.structs.replace(made, costs=tuple(odd))


def test_a_plan_is_of_one_model_and_one_binding() -> None:
    made = plan_of(office())
    made.check_model(made.model, made.binding)
    for model, binding in (("sha256:11", made.binding), (made.model, "other")):
        with pytest.raises(InputError, match="make the plan anew"):
            made.check_model(model, binding)
