from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.model_profiles import profile_of
from tests.models import chain_model, diamond_model, dynamic_model

from partway.engine import CPU, OrtRuntime, OrtSession, PieceStore
from partway.errors import InputError
from partway.graph import Cut, Source, candidate_cuts, canonicalise, single_tensor_cuts
from partway.planning.predicted import describe_profile, graph_differences, predicted_costs, predicted_side
from partway.prediction.calibration import Correction
from partway.prediction.energy import FittedPower
from partway.prediction.physical import Physical
from partway.prediction.pieces import PiecePredictor
from partway.prediction.profile import Calibration, Profile
from partway.profiling.power import ConstantPower


def store_of(path: Path) -> PieceStore:
    runtime = OrtRuntime(threads=1)
    source = Source.open(path)
    binding = source.bind({"image": (1, 3, 8, 8)}) if path.stem == "dynamic" else source.bind()
    store = PieceStore(canonicalise(source, binding, runtime), runtime)
    store.want_candidates()
    assert store.promote()
    return store


@pytest.fixture
def store(tmp_path: Path) -> PieceStore:
    return store_of(chain_model(tmp_path))


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_of(chain_model(tmp_path))


def every_cut(store: PieceStore) -> tuple[Cut, ...]:
    found = {cut.crossing: cut for cut in (*single_tensor_cuts(store.model), *candidate_cuts(store.model))}
    return tuple(sorted(found.values(), key=lambda cut: cut.depth))


def test_candidates_are_predicted_kernel_by_kernel_and_all_others_between_them(
    store: PieceStore, profile: Profile
) -> None:
    cuts = every_cut(store)
    found = predicted_side(store, cuts, profile)
    candidates = {cut.crossing for cut in candidate_cuts(store.model)}
    assert {head.how for head in found.side.heads} == {"predicted", "interpolated"}
    estimates = PiecePredictor(profile.predictor(1), store).cuts(cuts)
    for cut, head, tail, estimate in zip(cuts, found.side.heads, found.side.tails, estimates, strict=True):
        assert (head.how == "predicted") == (cut.crossing in candidates)
        if head.how == "predicted":
            assert head.seconds == (0.0 if estimate.head is None else estimate.head.seconds)
            assert tail.seconds == (0.0 if estimate.tail is None else estimate.tail.seconds)
            assert head.spread == (None if estimate.head is None else estimate.head.spread)


def test_deeper_cuts_have_longer_heads_and_shorter_tails(store: PieceStore, profile: Profile) -> None:
    side = predicted_side(store, every_cut(store), profile).side
    heads, tails = [piece.seconds for piece in side.heads], [piece.seconds for piece in side.tails]
    assert heads == sorted(heads)
    assert tails == sorted(tails, reverse=True)
    assert all(piece.spread is not None and piece.spread > 0 for piece in side.heads if piece.seconds)


def test_a_cut_lies_where_the_time_is_spent_not_where_the_multiplications_are(
    store: PieceStore, profile: Profile
) -> None:
    # An activation that takes long has no multiplications at all.
    cuts = every_cut(store)
    names = [cut.crossing for cut in cuts]
    before, after = names.index(("conv1",)), names.index(("relu1",))
    assert cuts[before].macs == cuts[after].macs
    (predictor,) = profile.predictors
    slow = msgspec.structs.replace(predictor.variants["Relu"], physical=Physical(costs_s={"call": 1.0}))
    slow_predictor = msgspec.structs.replace(predictor, variants={**predictor.variants, "Relu": slow})
    slow_profile = msgspec.structs.replace(profile, predictors=(slow_predictor,))
    shares = []
    for known in (profile, slow_profile):
        heads = predicted_side(store, cuts, known).side.heads
        shares.append(heads[before].seconds / heads[after].seconds)
    assert shares[1] < 0.1 * shares[0]


def test_nothing_of_the_model_is_run(store: PieceStore, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: OrtSession, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...] | None = None) -> None:
        raise AssertionError("a prediction ran the model")

    monkeypatch.setattr(OrtSession, "run", refuse)
    before = store.sessions
    assert predicted_costs(store, every_cut(store), device=profile, server=profile)
    assert store.sessions == before == 0


def test_kinds_that_were_never_sampled_are_told_or_refused(tmp_path: Path, profile: Profile) -> None:
    store = store_of(diamond_model(tmp_path))
    found = predicted_side(store, every_cut(store), profile)
    assert found.unsampled
    assert 0.0 < found.unsampled_share <= 1.0
    with pytest.raises(InputError, match=f"no samples of {found.unsampled[0]}"):
        predicted_side(store, every_cut(store), profile, strict=True)


def test_the_only_setting_of_threads_is_taken_and_others_are_refused(store: PieceStore, profile: Profile) -> None:
    assert predicted_side(store, every_cut(store), profile).threads == 1
    with pytest.raises(InputError, match="no samples with 2 threads, only with 1"):
        predicted_side(store, every_cut(store), profile, threads=2)
    other = msgspec.structs.replace(profile.predictors[0], threads=4)
    both = msgspec.structs.replace(profile, predictors=(*profile.predictors, other))
    with pytest.raises(InputError, match="the default number of threads, only with 1, 4"):
        predicted_side(store, every_cut(store), both)


def test_timings_of_this_very_model_are_applied_and_those_of_others_are_not(
    store: PieceStore, profile: Profile
) -> None:
    cuts = every_cut(store)
    plain = predicted_side(store, cuts, profile)
    (whole,) = PiecePredictor(profile.predictor(1), store).cuts(cuts[-1:])
    assert whole.head is not None
    twice = Correction().observe(whole.head, 2.0 * whole.head.seconds)
    model = store.model

    def calibrated(binding: str) -> Profile:
        calibration = Calibration(
            model=model.source_digest,
            binding=binding,
            threads=1,
            predicted_s=whole.head.seconds if whole.head else 0.0,
            measured_s=1.0,
            correction=twice,
        )
        return msgspec.structs.replace(profile, calibrations=(calibration,))

    found = predicted_side(store, cuts, calibrated(model.binding.encode()))
    assert found.calibrated
    assert found.side.heads[-1].seconds > 1.2 * plain.side.heads[-1].seconds
    assert predicted_side(store, cuts, calibrated("another")) == plain


def test_joules_follow_the_seconds_of_every_kind(store: PieceStore, profile: Profile) -> None:
    power = FittedPower(threads=1, meter="test:meter", common_w=3.0, watts={}, samples=9, spread=0.1)
    metered = msgspec.structs.replace(profile, powers=(power,))
    heads = predicted_side(store, every_cut(store), metered).side.heads
    for head in heads:
        assert head.energy_j == pytest.approx(3.0 * head.seconds)


def test_costs_of_two_profiles_join_heads_and_tails(store: PieceStore, profile: Profile) -> None:
    cuts = every_cut(store)
    power = ConstantPower(name="it", idle_w=1.0, active_w=5.0, source="a test")
    costs = predicted_costs(store, cuts, device=profile, server=profile, device_slowdown=8.0, power=power)
    side = predicted_side(store, cuts, profile).side
    for cut, cost, head, tail in zip(cuts, costs, side.heads, side.tails, strict=True):
        assert cost.device_s == 8.0 * head.seconds
        assert cost.server_s == (tail.seconds if cut.offloaded else 0.0)
        assert cost.device_j == pytest.approx(5.0 * cost.device_s)
        assert (cost.device_j_how, cost.how) == ("constant", head.how)


def test_bindings_have_predictions_of_their_own(tmp_path: Path, profile: Profile) -> None:
    store = store_of(dynamic_model(tmp_path))
    assert predicted_side(store, every_cut(store), profile).side.heads[-1].seconds > 0.0


def test_what_makes_other_kernels_is_named_and_nothing_else(profile: Profile) -> None:
    here, runtime = profile.machine, profile.runtime
    patch = f"{runtime.rpartition('.')[0]}.99"
    assert graph_differences(profile, runtime=patch, providers=(CPU,), here=here) == ()
    other = msgspec.structs.replace(here, instructions=("sse4",), processor="Other", logical_cores=99)
    found = graph_differences(profile, runtime="onnxruntime 0.1.0", providers=("XExecutionProvider",), here=other)
    assert found[0] == f"{runtime} there, onnxruntime 0.1.0 here"
    assert found[1] == f"{CPU} there, XExecutionProvider here"
    assert found[2].startswith("instruction sets: ")
    assert found[2].endswith("sse4 here")
    arm = msgspec.structs.replace(here, architecture="aarch64")
    assert graph_differences(profile, runtime=runtime, providers=(CPU,), here=arm) == (
        f"{here.architecture} there, aarch64 here",
    )


def test_a_profiled_machine_is_described_with_its_emulation(profile: Profile) -> None:
    machine = msgspec.structs.replace(
        profile.machine, board="Raspberry Pi 4", virtual=False, architecture="aarch64", logical_cores=4
    )
    pi4 = msgspec.structs.replace(profile, machine=machine, runtime="onnxruntime 1.32.0")
    assert describe_profile(pi4, 1) == "Raspberry Pi 4 (aarch64, 4 cores, 1 thread, onnxruntime 1.32.0)"
    assert describe_profile(pi4, None, 8.0).endswith("all threads, onnxruntime 1.32.0), EMULATED 8x slower")
