import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.studies import Setup
from partway.studies.load_models import SHARING, SLOW_IN_ALL, LoadModel, mean_wait_s, one_queue, residual_s

MODELS = (one_queue(np.array([0.004, 0.02])), SHARING, SLOW_IN_ALL)
services = st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=8).map(np.array)
loads = st.floats(0.0, 0.99)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_an_idle_server_is_as_without_load(unsent: Setup, model: LoadModel) -> None:
    table, link = unsent.table("alexnet", unsent.device("CPU")), unsent.link("Wi-Fi")
    assert model.latency_s(table, link, 0.0) == pytest.approx(table.latency_s(link))


@given(pair=st.tuples(loads, loads).map(sorted), model=st.sampled_from(MODELS))
def test_more_load_never_makes_a_cut_faster_and_leaves_the_device_alone(
    unsent: Setup, pair: list[float], model: LoadModel
) -> None:
    table, link = unsent.table("alexnet", unsent.device("CPU")), unsent.link("Wi-Fi")
    less, more = (model.latency_s(table, link, load) for load in pair)
    assert np.all(less <= more * (1 + 1e-12))
    assert less[-1] == more[-1] == table.device_s[-1]


@given(service_s=st.floats(1e-4, 1.0), load=loads)
def test_constant_services_wait_as_in_an_m_d_1_queue(service_s: float, load: float) -> None:
    assert mean_wait_s(np.array([service_s]), load) == pytest.approx(load * service_s / (2 * (1 - load)))


@given(values=services)
def test_what_is_left_of_a_service_is_at_least_half_the_mean(values: np.ndarray) -> None:
    assert residual_s(values) >= values.mean() / 2 * (1 - 1e-12)
