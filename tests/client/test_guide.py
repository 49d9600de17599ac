"""A session that keeps to a plan: its cuts and codecs and no others, its objective, its constraints."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.client.loopback import LoopbackServer
from tests.client.sparse import sparse_model
from tests.models import chain_model, dynamic_model, random_feeds, run_whole

import partway
from partway.client.guide import Planned
from partway.documents import write_document
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Model, Source, candidate_cuts, canonicalise, cut_at
from partway.link import NAMED_RADIOS, Link
from partway.planning import (
    Conditions,
    Constraints,
    CostTable,
    CutCost,
    DeviceDraw,
    Goal,
    ObjectiveName,
    PlanDocument,
    make_plan,
)

LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=1e-4)
DRAW = DeviceDraw.of(NAMED_RADIOS["wifi"], device_idle_w=1.0)


def model_of(path: Path, shapes: dict[str, tuple[int, ...]] | None = None) -> Model:
    source = Source.open(path)
    return canonicalise(source, source.bind(shapes), OrtRuntime(threads=1))


def costs_of(model: Model, codec: str = "raw", error: float = 0.0) -> list[CutCost]:
    """Every candidate at made-up costs that favour sending; those that offload under the codec, too."""
    return [
        CutCost(
            crossing=cut.crossing,
            device_s=0.01 * cut.depth,
            up_bytes=cut.up_bytes if name == "raw" else cut.up_bytes // 4,
            server_s=0.0,
            down_bytes=cut.down_bytes if cut.offloaded else 0,
            offloaded=cut.offloaded,
            codec=name,
            error=0.0 if name == "raw" else error,
            device_j=0.05 * cut.depth,
            device_j_how="constant",
        )
        for cut in candidate_cuts(model)
        for name in (("raw",) if codec == "raw" or not cut.offloaded else ("raw", codec))
    ]


def plan_of(model: Model, costs: Sequence[CutCost], goal: Goal | None = None) -> PlanDocument:
    return make_plan(
        model=model.source_digest,
        binding=model.binding.encode(),
        costs=costs,
        device="d",
        server="s",
        created_from="a test",
        goal=goal or Goal(),
        draw=DRAW,
    )


@contextmanager
def session_by(
    path: Path, plan: PlanDocument | Path, *, feeds: dict[str, np.ndarray], slowdown: float = 20.0
) -> Iterator[tuple[partway.InferenceSession, LoopbackServer]]:
    server = LoopbackServer(path, uplink_bytes_per_s=1e9, rtt_s=1e-4)
    with partway.InferenceSession(
        path, transport=server, threads=1, device_slowdown=slowdown, prior_link=LINK, plan=plan
    ) as session:
        assert session.wait_until_ready(feeds)
        yield session, server


def test_a_session_sends_only_what_its_plan_kept(tmp_path: Path) -> None:
    path = sparse_model(tmp_path)
    feeds, model = random_feeds(path), model_of(path)
    inner = [cost for cost in costs_of(model) if cost.crossing != ("image",)]
    plan = plan_of(model, inner, Goal(constraints=Constraints(keep_on_device=("inputs",))))
    with session_by(path, plan, feeds=feeds) as (session, server):
        result = session.run_detailed(None, feeds)
        table = session.costs(feeds)
    assert table is not None
    assert {cost.crossing for cost in table.costs} == {plan.costs[row].crossing for row in plan.choices}
    assert server.inferred
    assert all("image" not in {tensor.name for tensor in request.tensors} for request in server.inferred)
    np.testing.assert_allclose(result.outputs[0], run_whole(path, feeds)["scores"], rtol=1e-4, atol=1e-6)


def test_a_plan_is_read_from_its_file_and_lossy_codecs_come_with_it(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    feeds, model = random_feeds(path), model_of(path)
    goal = Goal(constraints=Constraints(max_error=0.02))
    file = tmp_path / "plan.json"
    write_document(file, plan_of(model, costs_of(model, "int8", error=0.01), goal))
    with session_by(path, file, feeds=feeds) as (session, _):
        table = session.costs(feeds)
    assert table is not None
    coded = [cost for cost in table.costs if cost.codec == "int8"]
    assert coded
    assert {cost.error for cost in coded} == {0.01}


def test_the_objective_is_the_plans(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    feeds, model = random_feeds(path), model_of(path)
    for objective in ("energy", "throughput"):
        name: ObjectiveName = objective
        with session_by(path, plan_of(model, costs_of(model), Goal(objective=name)), feeds=feeds) as (session, _):
            reason = session.run_detailed(None, feeds).reason
        assert ("mJ" in reason or " J" in reason or "µJ" in reason) if objective == "energy" else "inputs" in reason


def test_a_draining_battery_is_read_now_and_then_and_moves_the_cut(tmp_path: Path) -> None:
    model = model_of(chain_model(tmp_path))
    charges, asked, now_s = [1.0, 0.02, None], [], [0.0]

    def charge() -> float | None:
        asked.append(now_s[0])
        return charges[len(asked) - 1]

    # Fast but hungry on the device, slow but thrifty over the link.
    alone = CutCost(
        crossing=(), device_s=0.05, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False, device_j=5.0,
        device_j_how="constant",
    )  # fmt: skip
    sent = CutCost(
        crossing=("image",), device_s=0.0, up_bytes=1000, server_s=0.08, down_bytes=0, offloaded=True, device_j=0.0,
        device_j_how="constant",
    )  # fmt: skip
    plan = plan_of(model, [sent, alone], Goal(objective="balanced"))
    guide = Planned(plan, charge=charge, clock=lambda: now_s[0])
    table = CostTable.of([plan.costs[row] for row in plan.choices])
    link = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.001)
    chosen, read = [], []
    for at_s in (0.0, 5.0, 11.0, 30.0):
        now_s[0] = at_s
        decision = guide.decide(table, link, None)
        chosen.append(decision.crossing)
        read.append(decision.charge)
    assert asked == [0.0, 11.0, 30.0]
    assert read == [1.0, 1.0, 0.02, None], "what was read, and not what it is weighed as"
    assert chosen == [(), (), ("image",), ()], "full, still full, nearly empty, unknown and so full"


@pytest.mark.parametrize("charge", [0.3, None])
def test_a_decision_without_its_deadline_still_says_what_the_battery_said(tmp_path: Path, charge: float | None) -> None:
    model = model_of(chain_model(tmp_path))
    plan = plan_of(
        model, costs_of(model), Goal(objective="balanced", constraints=Constraints(deadline_s=1e-9, max_up_bytes=10**9))
    )
    guide = Planned(plan, charge=lambda: charge)
    table = CostTable.of([plan.costs[row] for row in plan.choices])
    decision = guide.decide(table, Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01), None)
    assert decision.relaxed is not None
    assert decision.charge == charge


def test_a_deadline_that_nothing_meets_now_leaves_the_fastest_of_what_is_allowed(tmp_path: Path) -> None:
    model = model_of(chain_model(tmp_path))
    limits = Constraints(deadline_s=0.001, max_up_bytes=10**9)
    plan = plan_of(model, costs_of(model), Goal(objective="energy", constraints=limits))
    guide = Planned(plan)
    table = CostTable.of([plan.costs[row] for row in plan.choices])
    slow = Conditions(uplink_bytes_per_s=1e5, downlink_bytes_per_s=1e5, rtt_s=0.2)
    fastest = min(table.costs, key=lambda cost: cost.device_s + 0.2 * cost.offloaded + cost.up_bytes / 1e5)
    decision = guide.decide(table, slow, None)
    assert decision.crossing == fastest.crossing
    assert "over the deadline of 1 ms" in decision.reason
    assert "meanwhile" in decision.reason


def test_a_plan_of_another_model_is_not_followed_and_the_device_answers_alone(tmp_path: Path) -> None:
    path, other = chain_model(tmp_path), model_of(dynamic_model(tmp_path), {"image": (1, 3, 8, 8)})
    feeds = random_feeds(path)
    server = LoopbackServer(path)
    plan = plan_of(other, costs_of(other))
    with partway.InferenceSession(path, transport=server, threads=1, plan=plan) as session:
        assert not session.wait_until_ready(feeds)
        result = session.run_detailed(None, feeds)
    assert not result.offloaded
    assert "the plan is of the model" in result.reason
    assert "make the plan anew" in result.reason


def test_a_plan_that_rules_the_device_alone_out_is_refused(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = model_of(path)
    plan = plan_of(model, costs_of(model)[:-1])
    with pytest.raises(InputError, match=r"rules the device alone out.*partway split"):
        partway.InferenceSession(path, plan=plan)


def test_a_plan_and_codecs_together_are_refused(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = model_of(path)
    with pytest.raises(InputError, match="either a plan or codecs"):
        partway.InferenceSession(path, plan=plan_of(model, costs_of(model)), codecs=())


def test_cuts_of_a_plan_are_those_of_the_graph(tmp_path: Path) -> None:
    model = model_of(chain_model(tmp_path))
    plan = plan_of(model, costs_of(model))
    cuts = Planned(plan).cuts(model)
    assert not cuts[-1].offloaded
    assert [cut.depth for cut in cuts] == sorted(cut.depth for cut in cuts)
    assert all(cut == cut_at(model, cut.crossing) for cut in cuts)


def test_what_packs_worse_than_expected_is_not_sent_beyond_the_plans_limit(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    path = sparse_model(tmp_path)
    feeds, model = random_feeds(path), model_of(path)
    rows = [cost for cost in costs_of(model, "zstd") if cost.crossing in ((), ("sparse",))]
    small = [cost if cost.codec == "raw" else msgspec.structs.replace(cost, up_bytes=100) for cost in rows]
    plan = plan_of(model, small, Goal(constraints=Constraints(max_up_bytes=2000)))
    with session_by(path, plan, feeds=feeds) as (session, server):
        assert session.run_detailed(None, feeds).codec == "zstd"
        dense = {name: array * np.float32(100.0) for name, array in feeds.items()}
        result = session.run_detailed(None, dense)
    assert (result.offloaded, result.codec, result.up_bytes) == (False, "raw", 0)
    assert "the plan allows 2 kB" in result.reason
    np.testing.assert_allclose(result.outputs[0], run_whole(path, dense)["scores"], rtol=1e-4, atol=1e-6)
    assert server.inferred
    assert all(sum(tensor.array.nbytes for tensor in request.tensors) <= 2000 for request in server.inferred)


def test_a_plan_that_was_edited_against_its_own_constraints_is_not_followed(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    feeds, model = random_feeds(path), model_of(path)
    made = plan_of(model, costs_of(model))
    edited = msgspec.structs.replace(made, constraints=Constraints(keep_on_device=("inputs",)))
    with partway.InferenceSession(path, transport=LoopbackServer(path), threads=1, plan=edited) as session:
        assert not session.wait_until_ready(feeds)
        result = session.run_detailed(None, feeds)
    assert not result.offloaded
    assert "which its own constraints rule out" in result.reason


def test_a_plan_whose_objective_counts_joules_that_it_has_not_is_refused(tmp_path: Path) -> None:
    model = model_of(chain_model(tmp_path))
    made = plan_of(model, costs_of(model), Goal(objective="energy"))
    with pytest.raises(InputError, match="needs joules"):
        Planned(msgspec.structs.replace(made, draw=None))
