from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model, diamond_model, dynamic_model
from tests.prediction.known_machine import measured
from tests.prediction.profiles import predictor, profile
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import MACHINE

from partway.cli import profile_model
from partway.documents import read_document, write_document
from partway.graph import Source
from partway.prediction.calibrating import calibrate
from partway.prediction.fitting import fit_predictor
from partway.prediction.profile import Profile
from partway.profiling import Effort
from partway.profiling.comparison import Stopwatch

QUICK = Effort(warm_ups=1, least_runs=2, most_runs=2, budget_s=0.0)


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings of two runs each."""
    stopwatch = Stopwatch(effort=QUICK, kernels=QUICK)
    monkeypatch.setattr(profile_model, "calibrate", partial(calibrate, stopwatch=stopwatch))


def test_a_model_is_timed_and_its_profile_knows_it_afterwards(partway: Command, tmp_path: Path) -> None:
    chain = chain_model(tmp_path)
    before = profile_of(chain)
    path = stored(before, tmp_path)
    finished = partway("profile", "-o", path, "--model", chain)
    assert (finished.status, finished.err) == (0, "")
    assert "the whole model" in finished.text
    assert finished.text.count("head to ") == 3
    assert f"profile {path}, which now knows timings of this model" in finished.text
    after = read_document(path, Profile)
    (known,) = after.calibrations
    assert (known.model, known.threads) == (Source.open(chain).digest, 1)
    assert min(known.predicted_s, known.measured_s) > 0
    assert after == msgspec.structs.replace(before, calibrations=(known,))


def test_timing_it_again_replaces_what_was_known_and_another_model_joins(partway: Command, tmp_path: Path) -> None:
    chain, diamond = chain_model(tmp_path), diamond_model(tmp_path)
    path = stored(profile_of(chain, diamond), tmp_path)
    for model, digests in (
        (chain, [Source.open(chain).digest]),
        (chain, [Source.open(chain).digest]),
        (diamond, [Source.open(model).digest for model in (chain, diamond)]),
    ):
        finished = partway("profile", "-o", path, "--model", model)
        assert [known.model for known in read_document(path, Profile).calibrations] == digests
    assert "knows timings of 2 models" in finished.text


def test_json_lists_the_pieces(partway: Command, tmp_path: Path) -> None:
    chain = chain_model(tmp_path)
    path = stored(profile_of(chain), tmp_path)
    document = partway("profile", "-o", path, "--model", chain, "--json").document
    assert (document["model"], document["profile"]) == (str(chain), str(path))
    whole, *heads = document["pieces"]
    assert whole["crossing"] == []
    assert all(head["crossing"] for head in heads)
    assert all(min(item["predicted_s"], item["measured_s"], item["corrected_s"]) > 0 for item in (whole, *heads))


def test_a_profile_of_another_machine_takes_no_timings_of_this_one(partway: Command, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    write_document(there, profile(predictor(), machine=MACHINE, runtime="none 1"))
    before = there.read_bytes()
    assert "is not of this machine, so timings here say nothing of it: it predicts Pencil" in complaint(
        partway, "profile", "-o", there, "--model", chain_model(tmp_path)
    )
    assert there.read_bytes() == before


def test_what_cannot_be_timed_is_one_line(partway: Command, tmp_path: Path) -> None:
    chain, missing = chain_model(tmp_path), tmp_path / "nowhere.json"
    assert f"there is no profile {missing} yet; first make it" in complaint(
        partway, "profile", "-o", missing, "--model", chain
    )
    assert "no file was named" in complaint(partway, "profile", "--model", chain)
    path = stored(profile_of(chain), tmp_path)
    assert "nothing.onnx" in complaint(partway, "profile", "-o", path, "--model", tmp_path / "nothing.onnx")
    assert "--shape image=N" in complaint(partway, "profile", "-o", path, "--model", dynamic_model(tmp_path))
    assert "no samples with 3 threads" in complaint(partway, "profile", "-o", path, "--model", chain, "--threads", 3)
    assert read_document(path, Profile).calibrations == ()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two machines, the second of another processor and half as fast."""
    paths = (tmp_path / "quick.json", tmp_path / "slow.json")
    for path, slower, name in zip(paths, (1.0, 2.0), ("Pencil", "Biro"), strict=True):
        fitted = fit_predictor(measured(zoo_graphs(60), slower=slower), threads=1, machine=MACHINE)
        machine = msgspec.structs.replace(MACHINE, processor=name)
        write_document(path, profile(fitted, machine=machine))
    return paths


def test_two_machines_are_held_beside_each_other(partway: Command, two: tuple[Path, Path]) -> None:
    finished = partway("profile", "--compare", *two)
    assert (finished.status, finished.err) == (0, "")
    assert "processor Pencil Biro" in finished.text
    assert "x slower" in finished.text
    assert "(all)" in finished.text
    document = partway("profile", "--compare", *two, "--json").document
    back = partway("profile", "--compare", *reversed(two), "--json").document
    assert document["ratio"] == pytest.approx(2.0, rel=0.15)
    assert document["ratio"] * back["ratio"] == pytest.approx(1.0)
    assert [item["what"] for item in document["differences"]] == ["processor"]
    assert all(item["ratio"] > 0 for item in document["variants"])


def test_profiles_that_cannot_be_compared_are_one_line(
    partway: Command, tmp_path: Path, two: tuple[Path, Path]
) -> None:
    write_document(tmp_path / "four.json", profile(predictor(threads=4)))
    assert "no kernels to be compared on" in complaint(partway, "profile", "--compare", two[0], tmp_path / "four.json")
    assert "no samples with 4 threads" in complaint(partway, "profile", "--compare", *two, "--threads", 4)
    assert "cannot read" in complaint(partway, "profile", "--compare", two[0], tmp_path / "nowhere.json")
