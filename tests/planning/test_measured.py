from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.models import chain_model

from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Cache, Model, Source, candidate_cuts, canonicalise, single_tensor_cuts
from partway.planning.measured import costs_of_cuts, covers, describe_environment, slowed
from partway.profiling import CutTiming, Environment, Measurement, Timing

HERE = Environment(host="here", processor="x", cores=2, runtime="r 1", threads=0)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    cache = Cache(tmp_path / "cache")
    source = Source.open(chain_model(tmp_path), cache=cache)
    return canonicalise(source, source.bind(), OrtRuntime(), cache=cache)


def timing(seconds: float | None) -> Timing | None:
    return None if seconds is None else Timing(median_s=seconds, spread=0.1, runs=5)


def measurement(
    model: Model, times: Mapping[tuple[str, ...], tuple[float | None, float | None]], digest: str | None = None
) -> Measurement:
    return Measurement(
        model=digest or model.source_digest,
        binding=model.binding.encode(),
        environment=HERE,
        cuts=tuple(
            CutTiming(crossing=crossing, head=timing(head_s), tail=timing(tail_s))
            for crossing, (head_s, tail_s) in times.items()
        ),
        busy_share=0.0,
    )


DEVICE = {("image",): (None, 1.0), ("pool1",): (2.0, 0.5), (): (4.0, None)}
SERVER = {("image",): (None, 0.1), ("pool1",): (0.2, 0.05), (): (0.4, None)}


def test_heads_come_from_the_device_and_tails_from_the_server(model: Model) -> None:
    cuts = (*single_tensor_cuts(model), candidate_cuts(model)[-1])
    device, server = measurement(model, DEVICE), measurement(model, SERVER)
    costs = {cost.crossing: cost for cost in costs_of_cuts(model, cuts, device=device, server=server)}
    assert (costs["image",].device_s, costs["image",].server_s, costs["image",].how) == (0.0, 0.1, "measured")
    assert (costs["pool1",].device_s, costs["pool1",].server_s, costs["pool1",].how) == (2.0, 0.05, "measured")
    assert (costs[()].device_s, costs[()].server_s, costs[()].offloaded) == (4.0, 0.0, False)
    assert (costs[()].up_bytes, costs[()].down_bytes) == (0, 0)
    assert (costs["image",].up_bytes, costs["image",].down_bytes) == (768, 20)


def test_a_cut_that_either_side_did_not_measure_is_interpolated(model: Model) -> None:
    cuts = (*single_tensor_cuts(model), candidate_cuts(model)[-1])
    fewer = {crossing: times for crossing, times in SERVER.items() if crossing != ("pool1",)}
    costs = costs_of_cuts(model, cuts, device=measurement(model, DEVICE), server=measurement(model, fewer))
    found = {cost.crossing: cost for cost in costs}
    assert found["pool1",].how == "interpolated"
    assert found["pool1",].device_s == 2.0
    assert 0.0 < found["pool1",].server_s < 0.1
    assert 2.0 < found["conv2",].device_s <= 4.0


def test_measurements_of_other_models_and_of_no_cut_are_refused(model: Model) -> None:
    cuts = candidate_cuts(model)
    right, wrong = measurement(model, DEVICE), measurement(model, SERVER, digest="sha256:0")
    with pytest.raises(InputError, match="the server's measurement is of the model sha256:0"):
        costs_of_cuts(model, cuts, device=right, server=wrong)
    with pytest.raises(InputError, match="the device's measurement has none of the cuts"):
        costs_of_cuts(model, cuts, device=measurement(model, {}), server=right)


def test_coverage_is_of_every_cut(model: Model) -> None:
    cuts = candidate_cuts(model)
    assert not covers(measurement(model, {}), cuts)
    assert covers(measurement(model, {cut.crossing: (1.0, 1.0) for cut in cuts}), cuts)


def test_a_slowed_machine_takes_longer_for_everything_and_says_so(model: Model) -> None:
    slow = slowed(slowed(measurement(model, DEVICE), 2.0), 4.0)
    assert slow.environment.emulated_slowdown == 8.0
    assert slow.cuts[1].head == Timing(median_s=16.0, spread=0.1, runs=5)
    assert slow.cuts[0].head is None
    assert "EMULATED 8x slower" in describe_environment(slow)
    assert describe_environment(measurement(model, DEVICE)) == "here (x, 2 cores, all threads, r 1)"


@pytest.mark.parametrize("factor", [0.5, 0.0, -1.0, float("inf"), float("nan")])
def test_a_machine_cannot_be_made_faster(model: Model, factor: float) -> None:
    with pytest.raises(InputError, match="a factor of 1 or more"):
        slowed(measurement(model, DEVICE), factor)
