import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.planning import chain_cuts, running_s
from partway.zoo import paper_network

NETWORK = paper_network("mnist")
layers_s = st.lists(st.floats(0.0, 1.0), min_size=len(NETWORK.layers), max_size=len(NETWORK.layers)).map(np.array)


@given(layers_s, layers_s, st.integers(0, 10**6))
def test_every_cut_splits_the_layers_and_the_device_alone_sends_nothing(
    device_s: np.ndarray, server_s: np.ndarray, down_bytes: int
) -> None:
    heads_s, whole_s = running_s(device_s), running_s(server_s)
    *offloaded, alone = chain_cuts(NETWORK, heads_s, whole_s[-1] - whole_s, input_bytes=7, down_bytes=down_bytes)
    assert [cost.crossing[0] for cost in offloaded] == [
        NETWORK.input_name,
        *(layer.output for layer in NETWORK.layers[:-1]),
    ]
    assert [cost.up_bytes for cost in offloaded] == [7, *(layer.output_bytes for layer in NETWORK.layers[:-1])]
    assert {cost.down_bytes for cost in offloaded} == {down_bytes}
    for cut, cost in enumerate(offloaded):
        assert cost.device_s == pytest.approx(device_s[:cut].sum())
        assert cost.server_s == pytest.approx(server_s[cut:].sum(), abs=1e-9)
    assert (alone.crossing, alone.up_bytes, alone.down_bytes, alone.server_s, alone.offloaded) == ((), 0, 0, 0.0, False)
    assert alone.device_s == pytest.approx(device_s.sum())


def test_joules_are_constants_and_without_them_nothing_is_said_of_them() -> None:
    seconds = np.arange(len(NETWORK.layers) + 1.0)
    known = chain_cuts(NETWORK, seconds, seconds[::-1], input_bytes=1, down_bytes=1, heads_j=2 * seconds)
    assert [(cost.device_j, cost.device_j_how) for cost in known] == [(2.0 * each, "constant") for each in seconds]
    unknown = chain_cuts(NETWORK, seconds, seconds[::-1], input_bytes=1, down_bytes=1)
    assert {(cost.device_j, cost.device_j_how) for cost in unknown} == {(None, None)}
