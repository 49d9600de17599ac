from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model, diamond_model

from partway.documents import read_document, write_document
from partway.engine import OrtSession
from partway.planning import PlanDocument
from partway.prediction.calibration import Correction
from partway.prediction.profile import Calibration, Profile

LINK = ("--link", "up=8Mbit/s,down=8Mbit/s,rtt=10ms")


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_of(chain_model(tmp_path))


@pytest.fixture
def file(tmp_path: Path, profile: Profile) -> Path:
    return stored(profile, tmp_path)


def test_two_profiles_make_a_plan_without_running_the_model(
    partway: Command, tmp_path: Path, file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: OrtSession, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...] | None = None) -> None:
        raise AssertionError("a plan of two profiles ran the model")

    monkeypatch.setattr(OrtSession, "run", refuse)
    finished = partway("plan", chain_model(tmp_path), *LINK, "--device", file, "--server", file, "--json")
    document = finished.document
    assert (finished.status, document["device_how"], document["server_how"]) == (0, "predicted", "predicted")
    assert {cut["how"] for cut in document["cuts"]} == {"predicted", "interpolated"}
    assert document["best"]["latency_spread_s"] > 0
    assert document["busy_share"] is None
    assert document["notes"] == ["tensors travel raw, since nothing runs here; --codec lossless runs the model once"]
    assert not (cache / "measurements").exists()


def test_the_table_says_how_costs_were_got_and_how_sure_the_best_is(
    partway: Command, tmp_path: Path, file: Path
) -> None:
    text = partway("plan", chain_model(tmp_path), *LINK, "--device", file, "--server", file).text
    assert "costs device predicted, server predicted; of the cuts 5 predicted, 5 interpolated" in text
    assert "best device alone in " in text
    assert " ms ± " in text


def test_a_profile_and_a_measurement_mix(partway: Command, tmp_path: Path, file: Path) -> None:
    path, measured = chain_model(tmp_path), tmp_path / "measured.json"
    partway("plan", path, "--measure-only", "-o", measured)
    here = partway("plan", path, *LINK, "--device", file, "--json").document
    there = partway("plan", path, *LINK, "--device", measured, "--server", file, "--json").document
    assert (here["device_how"], here["server_how"]) == ("predicted", "measured")
    assert (there["device_how"], there["server_how"]) == ("measured", "predicted")
    alone = next(cut for cut in there["cuts"] if not cut["offloaded"])
    assert (alone["how"], alone["latency_spread_s"]) == ("measured", None)


def test_an_emulated_slowdown_multiplies_predictions(partway: Command, tmp_path: Path, file: Path) -> None:
    words = ("plan", chain_model(tmp_path), *LINK, "--device", file, "--server", file)
    real, slow = (
        {tuple(cut["crossing"]): cut for cut in partway(*words, *more, "--json").document["cuts"]}
        for more in ((), ("--device-slowdown", "8"))
    )
    for crossing, cut in real.items():
        assert slow[crossing]["device_s"] == pytest.approx(8 * cut["device_s"])
        assert slow[crossing]["server_s"] == cut["server_s"]
    finished = partway(*words, "--device-slowdown", "8", "-o", tmp_path / "plan.json")
    assert "EMULATED 8x slower" in finished.text
    assert "EMULATED 8x slower" in read_document(tmp_path / "plan.json", PlanDocument).device


def test_kinds_that_were_never_sampled_are_noted_or_refused(partway: Command, tmp_path: Path, file: Path) -> None:
    words = ("plan", diamond_model(tmp_path), *LINK, "--device", file, "--server", file)
    document = partway(*words, "--json").document
    assert document["device_unsampled"]
    assert any(f"no samples of {document['device_unsampled'][0]}" in note for note in document["notes"])
    assert "--device: the profile has no samples of " in complaint(partway, *words, "--strict")


def test_a_profile_of_another_machine_is_used_and_noted(
    partway: Command, tmp_path: Path, profile: Profile, file: Path
) -> None:
    machine = msgspec.structs.replace(profile.machine, architecture="aarch64", instructions=("asimd",))
    other = tmp_path / "other.json"
    write_document(other, msgspec.structs.replace(profile, machine=machine, runtime="onnxruntime 1.0.0"))
    finished = partway("plan", chain_model(tmp_path), *LINK, "--device", other, "--server", file)
    assert "the device's profile is of a machine that may run other kernels (onnxruntime 1.0.0 there" in finished.text
    assert "the server's profile" not in finished.text


def test_timings_of_this_very_model_are_applied_and_noted(
    partway: Command, tmp_path: Path, profile: Profile, file: Path
) -> None:
    words = ("plan", chain_model(tmp_path), *LINK, "--device", file, "--server", file, "--json")
    plain = partway(*words).document
    calibration = Calibration(
        model=plain["digest"],
        binding=plain["binding"],
        threads=1,
        predicted_s=1.0,
        measured_s=2.0,
        correction=Correction(),
    )
    write_document(file, msgspec.structs.replace(profile, calibrations=(calibration,)))
    assert any("corrected by timings of this very model" in note for note in partway(*words).document["notes"])


def test_profiles_that_cannot_be_used_are_one_line(partway: Command, tmp_path: Path, file: Path) -> None:
    path, plan = chain_model(tmp_path), tmp_path / "plan.json"
    words = ("plan", path, *LINK, "--server", file)
    partway(*words, "--device", file, "-o", plan)
    assert "a 'partway.measurement' or a 'partway.profile' or a 'partway.machine' document was expected" in complaint(
        partway, *words, "--device", plan
    )
    threads = complaint(partway, *words, "--device", file, "--threads", "2")
    assert "--device: the profile has no samples with 2 threads, only with 1" in threads


def test_a_plan_never_replaces_what_it_is_made_from(partway: Command, tmp_path: Path, file: Path) -> None:
    before = file.read_bytes()
    words = ("plan", chain_model(tmp_path), *LINK, "--device", file, "--server", file, "-o", file)
    assert f"{file} is what the plan is made from" in complaint(partway, *words)
    assert file.read_bytes() == before
