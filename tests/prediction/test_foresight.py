import logging
from pathlib import Path

import msgspec
import pytest
from tests.model_profiles import profile_of, stored
from tests.models import chain_model

from partway.engine import OrtRuntime, PieceStore
from partway.errors import DocumentError, InputError
from partway.graph import Source, canonicalise, whole
from partway.prediction.calibration import Correction
from partway.prediction.foresight import Foresight
from partway.prediction.pieces import PieceEstimator
from partway.prediction.profile import Calibration, Profile
from partway.testing import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> PieceStore:
    runtime = OrtRuntime(threads=1)
    source = Source.open(chain_model(tmp_path))
    return PieceStore(canonicalise(source, source.bind(), runtime), runtime)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_of(chain_model(tmp_path))


def whole_s(foresight: Foresight, store: PieceStore) -> float:
    live = foresight.of_model(store, clock=FakeClock())
    live.learn((whole(store.model),))
    expected = live.expected(whole(store.model))
    assert expected is not None
    return expected.seconds


def test_a_profile_is_used_from_memory_or_from_its_file(tmp_path: Path, profile: Profile, store: PieceStore) -> None:
    path = stored(profile, tmp_path)
    kernels = len(store.kernels(whole(store.model)).kernels)
    for given in (profile, path, str(path)):
        assert whole_s(Foresight.of(given, OrtRuntime(threads=1)), store) == pytest.approx(kernels * 1e-3, rel=0.01)


def test_a_profile_of_this_machine_needs_no_warning(profile: Profile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Foresight.of(profile, OrtRuntime(threads=1))
    assert not caplog.records


def test_a_profile_of_another_machine_or_runtime_is_used_with_a_warning(
    profile: Profile, caplog: pytest.LogCaptureFixture, store: PieceStore
) -> None:
    machine = msgspec.structs.replace(profile.machine, processor="Cortex-A72", architecture="aarch64")
    other = msgspec.structs.replace(profile, machine=machine, runtime="onnxruntime 1.0.0")
    with caplog.at_level(logging.WARNING):
        assert whole_s(Foresight.of(other, OrtRuntime(threads=1)), store) > 0.0
    told = {record.getMessage().split()[1] for record in caplog.records}
    assert told == {"what=processor", "what=architecture", "what=runtime"}
    assert "profile='Cortex-A72'" in caplog.text


def test_other_threads_or_providers_are_an_error_that_says_what_to_do(profile: Profile) -> None:
    with pytest.raises(InputError, match="no samples with 2 threads, only with 1"):
        Foresight.of(profile, OrtRuntime(threads=2))
    with pytest.raises(InputError, match="only with 1"):
        Foresight.of(profile, OrtRuntime())
    other = msgspec.structs.replace(profile, providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    with pytest.raises(InputError, match="choose the same providers, or profile with these"):
        Foresight.of(other, OrtRuntime(threads=1))


def test_a_file_that_is_no_profile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot read"):
        Foresight.of(tmp_path / "absent.json", OrtRuntime(threads=1))


def test_a_calibration_of_the_model_counts_from_the_start(profile: Profile, store: PieceStore) -> None:
    foresight = Foresight.of(profile, OrtRuntime(threads=1))
    plain_s = whole_s(foresight, store)
    estimator = PieceEstimator(foresight.prediction)
    (estimate,) = estimator.estimate((store.kernels(whole(store.model)),))
    calibration = Calibration(
        model=store.model.source_digest,
        binding=store.model.binding.encode(),
        threads=1,
        predicted_s=plain_s,
        measured_s=1.2 * plain_s,
        correction=Correction().observe(estimate, 1.2 * plain_s),
    )
    calibrated = msgspec.structs.replace(profile, calibrations=(calibration,))
    assert whole_s(Foresight.of(calibrated, OrtRuntime(threads=1)), store) == pytest.approx(1.2 * plain_s, rel=0.03)
