"""What other choices would have taken is reckoned from the trace: the arithmetic of it, and of the scales."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks.figure14.reckoning import Overheads, Reckoner, choose, shares
from benchmarks.figure14.scaling import LEAST_CUTS, LEAST_SHARE, faster, find_scale, slowed, third_share
from benchmarks.figure14.traces import NAMES, open_trace, synthetic
from benchmarks.steady import lay_out, ratio_of
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import InputError
from partway.link import Link, LinkTrace, Trace
from partway.planning import Conditions, CostTable, CutCost, latency_s

SECONDS = st.floats(0.0, 10.0)
RATES = st.floats(1e4, 1e8)
MOMENTS = [float(second) for second in range(0, 300, 3)]


def cost(name: str, device_s: float, up_bytes: int, server_s: float, down_bytes: int = 4000) -> CutCost:
    return CutCost(
        crossing=(name,) if name else (),
        device_s=device_s,
        up_bytes=up_bytes,
        server_s=server_s,
        down_bytes=down_bytes if name else 0,
        offloaded=bool(name),
    )


@st.composite
def tables(draw: st.DrawFn) -> CostTable:
    cuts = [
        cost(f"cut{place}", draw(SECONDS), draw(st.integers(0, 10**7)), draw(SECONDS))
        for place in range(draw(st.integers(1, 4)))
    ]
    return CostTable.of([*cuts, cost("", draw(SECONDS), 0, 0.0)])


@st.composite
def links(draw: st.DrawFn) -> LinkTrace:
    def way() -> Trace:
        rates = draw(st.lists(RATES, min_size=2, max_size=6))
        return Trace(starts_s=tuple(float(second) for second in range(len(rates))), rates_bytes_per_s=tuple(rates))

    return LinkTrace(uplink=way(), downlink=way(), rtt_s=draw(st.floats(0.0, 0.5)))


# As AlexNet: a large input, smaller tensors inside, and a device for which the later layers are dear.
ALEXNET = CostTable.of(
    [
        cost("data", 0.0, 602_112, 0.045),
        cost("pool1", 0.016, 259_584, 0.033),
        cost("pool2", 0.03, 147_456, 0.021),
        cost("", 0.045, 0, 0.0),
    ]
)


@given(tables(), RATES, RATES, st.floats(0.0, 0.5), st.floats(0.0, 1e4))
def test_on_a_steady_link_it_is_the_latency_that_decisions_are_made_on(
    table: CostTable, up: float, down: float, rtt_s: float, at_s: float
) -> None:
    link = Link(uplink_bytes_per_s=up, downlink_bytes_per_s=down, rtt_s=rtt_s)
    conditions = Conditions(uplink_bytes_per_s=up, downlink_bytes_per_s=down, rtt_s=rtt_s)
    reckoner = Reckoner(table, LinkTrace.constant(link), Overheads())
    expected = pytest.approx(latency_s(table, conditions), rel=1e-9, abs=1e-9)
    assert reckoner.exact_s(0.0) == expected
    assert reckoner.expected_s(at_s) == expected


@given(tables(), RATES, st.floats(0.0, 1.0), st.integers(0, 1000), st.floats(0.5, 1.0))
def test_on_a_steady_link_what_will_be_is_what_is_expected(
    table: CostTable, rate: float, seconds: float, beside: int, goodput: float
) -> None:
    link = Link(uplink_bytes_per_s=rate, downlink_bytes_per_s=2 * rate, rtt_s=0.05)
    overheads = Overheads(up_bytes=beside, down_bytes=beside, seconds=seconds, goodput=goodput)
    reckoner = Reckoner(table, LinkTrace.constant(link), overheads)
    assert reckoner.exact_s(0.0) == pytest.approx(reckoner.expected_s(0.0), rel=1e-9, abs=1e-9)


@given(tables(), links(), st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8))
def test_nobody_is_better_than_the_clairvoyant(table: CostTable, trace: LinkTrace, moments_s: list[float]) -> None:
    choices = choose(Reckoner(table, trace, Overheads()), moments_s)
    least = choices.of(choices.clairvoyant)
    assert (least <= choices.of(choices.knower)).all()
    assert (least <= choices.seconds[:, choices.best_fixed]).all()


@given(tables(), links(), st.floats(1.0, 10.0), st.floats(0.0, 100.0))
def test_no_request_takes_longer_on_a_link_that_is_faster_throughout(
    table: CostTable, trace: LinkTrace, factor: float, at_s: float
) -> None:
    # Small messages on one row: where rates fall, arriving earlier is another row's business.
    steady = LinkTrace.constant(trace.at(at_s))
    slow, fast = (Reckoner(table, link, Overheads()).exact_s(0.0) for link in (steady, faster(steady, factor)))
    assert (fast <= slow + 1e-9).all()


def test_the_scale_makes_a_clairvoyant_use_three_cuts_often_while_the_requests_are_made() -> None:
    trace = LinkTrace(uplink=synthetic(7e5, 0.6, seed=1), downlink=synthetic(2e6, 0.6, seed=2), rtt_s=0.05)
    scale = find_scale(ALEXNET, trace, Overheads(), requests=100)
    reckoner = Reckoner(slowed(ALEXNET, scale.device), faster(trace, scale.rate), Overheads())
    at_s, rows = 0.0, []
    for _ in range(100):
        choices = choose(reckoner, [at_s])
        at_s += float(choices.of(choices.knower)[0])
        rows.append(choices.clairvoyant[0])
    used = shares(reckoner.table, np.array(rows))
    assert scale.third >= LEAST_SHARE
    assert third_share(used.values()) >= LEAST_SHARE
    assert len(used) >= LEAST_CUTS
    assert sum(used.values()) == pytest.approx(1.0)


def test_where_nothing_is_gained_inside_no_scale_is_found() -> None:
    table = CostTable.of([cost("data", 0.0, 1000, 0.01), cost("", 0.01, 0, 0.0)])
    trace = LinkTrace(uplink=synthetic(7e5, 0.6, seed=1), downlink=synthetic(2e6, 0.6, seed=2), rtt_s=0.05)
    assert find_scale(table, trace, Overheads(), requests=100).third == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_without_files_traces_are_made_and_say_so(name: str, tmp_path: Path) -> None:
    made, again = open_trace(name, tmp_path), open_trace(name, tmp_path)
    assert made == again
    assert made.origin == "synthetic, seeded"
    assert made.link.uplink.duration_s >= 100.0


def test_a_trace_of_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'7g' is no trace; expected one of 3g-umts"):
        open_trace("7g", tmp_path)


def test_steady_links_go_from_the_device_alone_over_cuts_inside_to_the_server_alone() -> None:
    links = lay_out(slowed(ALEXNET, 8.0), Overheads())
    rates = [link.uplink_bytes_per_s for link, _ in links]
    assert rates == sorted(rates)
    assert [best for _, best in links][::4] == ["device", "data"]
    assert {best for _, best in links[1:4]} <= {"pool1", "pool2"}


def test_steady_links_need_a_model_that_is_worth_cutting() -> None:
    with pytest.raises(InputError, match="name another model"):
        lay_out(CostTable.of([cost("data", 0.0, 1000, 0.01), cost("", 0.01, 0, 0.0)]), Overheads())


def test_a_ratio_is_over_the_better_fixed_way_and_knows_its_spread() -> None:
    rng = np.random.default_rng(0)
    partway, better, worse = (list(rng.normal(mean, 0.01, (10, 8))) for mean in (1.02, 1.0, 2.0))
    ratio, (low, high), of_medians = ratio_of(partway, [worse, better])
    assert ratio == pytest.approx(1.02, abs=0.01)
    assert of_medians == pytest.approx(1.02, abs=0.01)
    assert ratio - 0.02 < low < ratio < high < ratio + 0.02


def test_late_answers_count_though_the_median_hides_them() -> None:
    steady, late = np.full(8, 1.0), np.array([1.0] * 7 + [3.0])
    ratio, _, of_medians = ratio_of([late] * 4, [[steady] * 4])
    assert of_medians == 1.0
    assert ratio == pytest.approx(1.25)
