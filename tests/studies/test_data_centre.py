import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.studies import Setup
from partway.studies.data_centre import Centre, Left, left_by_paper, left_by_planner, pairs_of
from partway.studies.layer_times import server_seconds

seconds = st.lists(st.floats(1e-4, 1.0), min_size=2, max_size=8).map(np.array)


@pytest.mark.parametrize("left", [left_by_paper, left_by_planner])
def test_cuts_never_bring_the_server_more_to_compute(setup: Setup, left: Left) -> None:
    pairs = pairs_of(setup)
    for link in setup.links:
        centre = Centre.of(pairs, link, left)
        # Unpacking is the server's, too.
        assert np.all(centre.left_s <= centre.whole_s * 1.05 + 1e-3)
        assert centre.gain(0.5) > 1


@given(whole_s=seconds, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)), gpu_share=st.floats(0, 1))
def test_the_work_of_a_mix_lies_between_those_of_its_ends(
    whole_s: np.ndarray, shares: tuple[float, float], gpu_share: float
) -> None:
    centre = Centre(whole_s=whole_s, left_s=np.array([share * whole_s for share in shares]))
    means_s = [centre.work(share).mean_s for share in (0.0, 1.0)]
    assert min(means_s) - 1e-12 <= centre.work(gpu_share).mean_s <= max(means_s) + 1e-12
    assert centre.work(gpu_share).weights.sum() == pytest.approx(1.0)


def test_a_server_with_other_seconds_keeps_what_is_left_in_proportion(setup: Setup) -> None:
    centre = Centre.of(pairs_of(setup), setup.link("LTE"), left_by_paper)
    other = centre.taking(server_seconds(), setup.networks)
    assert other.left_s / other.whole_s == pytest.approx(centre.left_s / centre.whole_s)
    assert other.whole_s.sum() == pytest.approx(sum(server_seconds().values()))


def test_where_nothing_is_left_to_the_server_it_answers_any_number() -> None:
    centre = Centre(whole_s=np.array([1.0, 2.0]), left_s=np.array([[1.0, 2.0], [0.0, 0.0]]))
    assert centre.gain(0.0) == 1.0
    assert centre.gain(0.5) == pytest.approx(2.0)
    assert centre.gain(1.0) == float("inf")
