import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import InputError
from partway.planning.interpolation import interpolate_costs

times = st.tuples(st.floats(0, 10), st.floats(0, 10))


@st.composite
def profiles(draw: st.DrawFn) -> tuple[list[float], dict[int, tuple[float, float]]]:
    macs = draw(st.lists(st.sampled_from([0.0, 1.0, 1e3, 5e3, 1e6, 1e9, 3.5e9]), min_size=1, max_size=12))
    rows = draw(st.sets(st.integers(0, len(macs) - 1), min_size=1))
    return macs, {row: draw(times) for row in rows}


@given(profiles())
def test_measured_cuts_keep_what_was_measured(
    profile: tuple[list[float], dict[int, tuple[float, float]]],
) -> None:
    macs, measured = profile
    result = interpolate_costs(macs, measured)
    assert len(result) == len(macs)
    for row, cost in enumerate(result):
        assert (cost.how == "measured") == (row in measured)
        if row in measured:
            assert (cost.device_s, cost.server_s) == measured[row]


@given(profiles())
def test_among_interpolated_cuts_depth_never_lowers_the_head_nor_raises_the_tail(
    profile: tuple[list[float], dict[int, tuple[float, float]]],
) -> None:
    macs, measured = profile
    result = interpolate_costs(macs, measured)
    guessed = [row for row, cost in enumerate(result) if cost.how == "interpolated"]
    for before, after in itertools.product(guessed, guessed):
        if macs[before] <= macs[after]:
            assert result[before].device_s <= result[after].device_s + 1e-12
            assert result[before].server_s >= result[after].server_s - 1e-12


@given(profiles())
def test_interpolated_times_lie_within_the_measured_ones(
    profile: tuple[list[float], dict[int, tuple[float, float]]],
) -> None:
    macs, measured = profile
    heads, tails = zip(*measured.values(), strict=True)
    for cost in interpolate_costs(macs, measured):
        assert min(heads) - 1e-12 <= cost.device_s <= max(heads) + 1e-12
        assert min(tails) - 1e-12 <= cost.server_s <= max(tails) + 1e-12


def test_between_two_measured_cuts_times_follow_the_share_of_macs() -> None:
    result = interpolate_costs([0, 25, 50, 100], {0: (0.0, 0.4), 3: (2.0, 0.0)})
    assert [cost.device_s for cost in result] == [0.0, 0.5, 1.0, 2.0]
    assert [cost.server_s for cost in result] == pytest.approx([0.4, 0.3, 0.2, 0.0])


def test_only_the_two_nearest_measured_cuts_count() -> None:
    result = interpolate_costs([0, 10, 20, 30], {0: (0.0, 3.0), 2: (1.0, 2.0), 3: (9.0, 0.0)})
    assert (result[1].device_s, result[1].server_s) == (0.5, 2.5)


def test_cuts_at_the_same_depth_share_the_mean_of_what_was_measured_there() -> None:
    result = interpolate_costs([5, 5, 5], {0: (1.0, 4.0), 2: (3.0, 2.0)})
    assert (result[1].device_s, result[1].server_s) == (2.0, 3.0)


def test_beyond_the_measured_cuts_times_stay_what_they_were() -> None:
    result = interpolate_costs([0, 10, 20], {1: (1.0, 2.0)})
    assert [(cost.device_s, cost.server_s) for cost in result] == [(1.0, 2.0)] * 3


def test_noise_between_measured_cuts_is_smoothed_for_the_others() -> None:
    result = interpolate_costs([0, 10, 15, 20, 30], {0: (0.0, 1.0), 1: (1.2, 1.0), 3: (1.0, 1.0), 4: (2.0, 1.0)})
    assert result[2].device_s == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("macs", "measured", "message"),
    [
        ([0.0], {}, "no cut was measured"),
        ([0.0], {1: (0.0, 0.0)}, "expected an index below 1"),
        ([0.0], {0: (math.nan, 0.0)}, "finite"),
        ([-1.0], {0: (0.0, 0.0)}, "MACs"),
    ],
)
def test_what_cannot_be_interpolated_is_refused(
    macs: list[float], measured: dict[int, tuple[float, float]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        interpolate_costs(macs, measured)
