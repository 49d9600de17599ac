"""A machine takes what its formula says, and calibration finds the one number that makes a known time come out."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.prediction.machines import LAW, machine, machines, parameter, works

from partway.documents import decode_document, encode_document
from partway.errors import DocumentError, InputError
from partway.prediction.analytic import AnalyticMachine, Parameter, Share, Work, calibrate


def test_a_layer_takes_its_arithmetic_or_its_traffic_and_a_call() -> None:
    plain = machine(flop_per_s=100.0, bytes_per_s=10.0, efficiency=0.5, overhead_s=1.0)
    share = plain.shares.fc
    assert (share.arithmetic, share.bandwidth) == (0.5, 0.8)
    assert plain.layer_s(Work(kind="fc", macs=50)) == pytest.approx(100 / (0.5 * 100) / 0.5 + 1)
    moved = Work(kind="other", read_bytes=16, written_bytes=8, weight_bytes=16)
    assert plain.layer_s(moved) == pytest.approx(40 / (0.8 * 10) / 0.5 + 1)
    assert plain.layer_s(Work(kind="conv", macs=50, read_bytes=40)) == pytest.approx(10 + 1)
    assert plain.layer_s(Work(kind="conv", macs=50, read_bytes=4)) == pytest.approx(4 + 1)


def test_a_view_takes_nothing_whatever_it_holds() -> None:
    assert machine().layer_s(Work(kind="view", read_bytes=10**9)) == 0.0


@LAW
@given(machines, works, works)
def test_more_work_never_takes_less(some: AnalyticMachine, less: Work, more: Work) -> None:
    both = Work(
        kind=less.kind,
        macs=less.macs + more.macs,
        read_bytes=less.read_bytes + more.read_bytes,
        written_bytes=less.written_bytes + more.written_bytes,
        weight_bytes=less.weight_bytes + more.weight_bytes,
    )
    assert some.layer_s(both) >= some.layer_s(less)


@LAW
@given(
    machines, st.lists(works.filter(lambda work: work.kind != "view"), min_size=1, max_size=8), st.floats(0.001, 0.9)
)
def test_calibration_gives_back_the_efficiency_that_made_a_time(
    some: AnalyticMachine, layers: list[Work], efficiency: float
) -> None:
    true = msgspec.structs.replace(some, efficiency=parameter(efficiency))
    total_s = sum(map(true.layer_s, layers))
    found = calibrate(some, [*layers, Work(kind="view", read_bytes=9)], total_s)
    assert found.efficiency.value == pytest.approx(efficiency, rel=1e-6)
    assert found.efficiency.source == "fitted"
    assert msgspec.structs.replace(found, efficiency=some.efficiency) == some


def test_a_time_that_no_efficiency_makes_is_refused() -> None:
    slow = machine(overhead_s=0.1)
    layers = [Work(kind="fc", macs=10**6)] * 3
    with pytest.raises(InputError, match=r"cannot take 0.2 s for 3 layers that take 0.1 s each"):
        calibrate(slow, layers, 0.2)
    with pytest.raises(InputError, match=r"cannot take 1 s for 0 layers"):
        calibrate(slow, [], 1.0)
    with pytest.raises(InputError, match=r"more than its peak; expected at most 1.25"):
        calibrate(machine(flop_per_s=1.0, bytes_per_s=1.0, overhead_s=0.0), layers, 1e-6)


@LAW
@given(machines)
def test_a_document_is_read_back_as_it_was_written(some: AnalyticMachine) -> None:
    assert decode_document(encode_document(some), AnalyticMachine) == some


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"efficiency": parameter(0.0)}, "efficiency of board is 0"),
        ({"peak_flop_per_s": parameter(0.0)}, "peak_flop_per_s of board is 0"),
        (
            {"efficiency": parameter(1.5)},
            r"efficiency of board is 1.5, which times its share of 0.8 is more than its peak",
        ),
        ({"active_w": None}, "watts for one of computing and waiting"),
        ({"active_w": parameter(1.0)}, "draws 2 W idle and 1 W active cannot be"),
    ],
)
def test_machines_that_cannot_be_are_refused(change: dict[str, Parameter | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        msgspec.structs.replace(machine(), **change)


def test_every_number_has_to_say_why() -> None:
    with pytest.raises(InputError, match=r"says nothing of why"):
        Parameter(value=1.0, source="assumed", why=" ")
    with pytest.raises(InputError, match=r"finite and not negative"):
        Parameter(value=-1.0, source="assumed", why="a test")
    with pytest.raises(InputError, match=r"the share of bandwidth is 1.2"):
        Share(arithmetic=1.0, bandwidth=1.2, source="assumed", why="a test")
    text = encode_document(machine()).replace(b'"why": "a test"', b'"reason": "a test"')
    with pytest.raises(DocumentError, match=r"damaged 'partway.machine' document"):
        decode_document(text, AnalyticMachine)


def test_its_watts_carry_their_sources() -> None:
    power = machine().power
    assert power is not None
    assert (power.name, power.idle_w, power.active_w, power.assumed) == ("board", 2.0, 6.0, True)
    assert power.source == "active: assumed, a test; idle: assumed, a test"
    assert msgspec.structs.replace(machine(), active_w=None, idle_w=None).power is None


def test_all_of_its_parameters_are_told_by_name() -> None:
    told = {name: parameter.value for name, parameter in machine().parameters()}
    assert told["shares.conv.arithmetic"] == 0.5
    assert told["overhead_s"] == machine().overhead_s.value
    assert len(told) == 2 + 8 + 4


def test_it_says_in_words_that_it_is_not_measured_and_where_it_is_emulated() -> None:
    assert machine().describe() == "board (a test's; analytic, not measured)"
    assert machine().describe(8.0).endswith("EMULATED 8x slower")
