"""Codecs in plans: chosen with the cut, lossless by default, and lossy only within a measured error."""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.cli.conftest import Command
from tests.cli.machines import machine, pair
from tests.cli.test_main import complaint
from tests.graph.support import save, value
from tests.models import chain_model

from partway.cli import plan_coding
from partway.codecs import available_codecs, names
from partway.documents import read_document
from partway.engine import OrtSession
from partway.errors import InputError
from partway.planning import PlanDocument
from partway.verification import TensorTrial, measure_codecs

LINK = ("--link", "up=64kbit/s,down=64kbit/s,rtt=2ms")
EARLY = ("--on-server", "MaxPool_pool1")  # so that something is sent, and all that may be is large

Words = tuple[object, ...]
needs_zstandard = pytest.mark.skipif(find_spec("zstandard") is None, reason="zstandard is not installed")


@pytest.fixture
def words(tmp_path: Path) -> Words:
    """The chain on machines about as fast as this one, so that codecs take little beside the link."""
    path = chain_model(tmp_path)
    return ("plan", path, *pair(path, device_s=1e-5, server_s=1e-6), *LINK)


def codecs(document: dict[str, Sequence[dict[str, object]]]) -> set[object]:
    return {cut["codec"] for cut in document["cuts"]}


@needs_zstandard
def test_lossless_is_tried_by_default_and_shown_where_it_makes_less(partway: Command, tmp_path: Path) -> None:
    document = partway("plan", chain_model(tmp_path), *LINK, "--json").document
    assert codecs(document) == {"raw", "zstd"}
    raw = {tuple(cut["crossing"]): cut for cut in document["cuts"] if cut["codec"] == "raw"}
    for cut in document["cuts"]:
        before = raw[tuple(cut["crossing"])]
        if cut["codec"] != "raw":
            assert cut["up_bytes"] < before["up_bytes"]
            assert cut["device_s"] > before["device_s"]
            assert cut["server_s"] > before["server_s"]
        assert cut["error"] == 0.0
    assert any("codecs zstd were tried on this machine, on random inputs" in note for note in document["notes"])
    assert "relu1 as zstd" in partway("plan", chain_model(tmp_path), *LINK, "--top", "0").text


@needs_zstandard
def test_lossless_keeps_every_bit(partway: Command, tmp_path: Path) -> None:
    document = partway("check", chain_model(tmp_path), "--codec", "lossless", "--json").document
    assert document["codecs"]
    assert all(row["bit_equal"] and row["error"] == 0.0 for row in document["codecs"])


def test_raw_is_tried_alone_on_request(partway: Command, tmp_path: Path) -> None:
    document = partway("plan", chain_model(tmp_path), *LINK, "--codec", "raw", "--json").document
    assert codecs(document) == {"raw"}
    assert not any("codecs" in note for note in document["notes"])


def test_lossy_codecs_are_there_with_the_error_that_was_measured(
    partway: Command, words: Words, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    within = ("--codec", "float16,int8", "--max-error", "2%")
    document = partway(*words, *EARLY, *within, "-o", file, "--json").document
    assert document["best"]["codec"] == "int8"
    assert document["constraints"]["max_error"] == 0.02
    for cut in document["cuts"]:
        assert (0 < cut["error"] <= 0.02) if cut["codec"] != "raw" else cut["error"] == 0.0
    assert {cost.codec: cost.error for cost in read_document(file, PlanDocument).costs}["int8"] > 0
    text = partway(*words, *EARLY, *within).text
    assert "best server alone as int8 in " in text
    assert ", answers off by up to 0." in text


def test_the_error_is_what_checking_the_same_cut_finds(partway: Command, words: Words, tmp_path: Path) -> None:
    file = tmp_path / "image.npy"
    np.save(file, np.random.default_rng(1).standard_normal((1, 3, 8, 8), np.float32))
    given = ("--codec", "int8", "--max-error", "5%", "--input", file, "--json")
    planned = partway(*words, *EARLY, *given).document["best"]
    checked = partway("check", words[1], *given).document["codecs"]
    (row,) = (row for row in checked if row["crossing"] == planned["crossing"])
    assert planned["crossing"] == ["image"]
    assert planned["error"] == pytest.approx(row["error"], rel=0.01)


def test_a_budget_that_nothing_keeps_to_leaves_raw_alone_and_says_so(partway: Command, words: Words) -> None:
    for budget in ("0", "0.0001%"):
        document = partway(*words, *EARLY, "--codec", "int8", "--max-error", budget, "--json").document
        assert codecs(document) == {"raw"}
        assert any("over --max-error and left out" in note for note in document["notes"])
        assert any("no codec makes what any cut sends smaller" in note for note in document["notes"])


def test_a_tight_budget_leaves_the_finer_codec(partway: Command, words: Words) -> None:
    def errors(budget: str) -> dict[str, float]:
        words_ = (*words, *EARLY, "--codec", "float16,int8", "--max-error", budget, "--json")
        return {cut["codec"]: cut["error"] for cut in partway(*words_).document["cuts"] if cut["crossing"] == ["image"]}

    loose = errors("50%")
    assert 0 < loose["float16"] < loose["int8"]
    between = math.sqrt(loose["float16"] * loose["int8"])
    assert set(errors(f"{between:.9f}")) == {"raw", "float16"}


def test_cuts_that_only_a_limit_makes_the_best_have_their_codecs_checked(partway: Command, words: Words) -> None:
    # The device alone is faster on any link, and needs more memory than is allowed.
    document = partway(*words, "--device-memory", "800B", "--codec", "int8", "--max-error", "5%", "--json").document
    assert (document["best"]["crossing"], document["best"]["codec"]) == (["image"], "int8")
    assert document["best"]["error"] > 0


def test_codecs_and_limits_on_bytes_work_together(partway: Command, words: Words) -> None:
    limited = (*words, *EARLY, "--max-upload", "300B")
    assert "sends 768 B" in complaint(partway, *limited, "--codec", "raw")
    document = partway(*limited, "--codec", "int8", "--max-error", "5%", "--json").document
    assert document["best"]["codec"] == "int8"
    assert document["best"]["up_bytes"] <= 300


def test_errors_count_for_every_device_that_is_asked_about(partway: Command, words: Words, tmp_path: Path) -> None:
    other = machine(chain_model(tmp_path), tmp_path / "other.json", layer_s=1.1e-5)
    both = (*words, "--device", other, *EARLY, "--json", "--codec", "int8")
    for budget, codec in (("50%", "int8"), ("0", "raw")):
        matrix = partway(*both, "--max-error", budget).document["matrix"]
        assert [entry["best"]["codec"] for entry in matrix] == [codec, codec]
        assert all((entry["best"]["error"] > 0) == (codec == "int8") for entry in matrix)


def test_joules_of_encoding_are_counted(partway: Command, words: Words) -> None:
    power = ("--device-power", "idle=1W,active=5W", "--radio", "tx=1.2W,rx=1W,idle=0.5W")
    coded = (*words, *EARLY, *power, "--codec", "int8", "--max-error", "5%", "--json")
    for cut in partway(*coded).document["cuts"]:
        assert cut["energy_parts"]["device_j"] == pytest.approx(5.0 * cut["device_s"])


class _Counted:
    """Counts tensors that are tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tensors: list[str] = []

        def count(arrays: Mapping[str, np.ndarray], wanted: Sequence[str], *, rounds: int) -> tuple[TensorTrial, ...]:
            self.tensors.extend(arrays)
            return measure_codecs(arrays, wanted, rounds=rounds)

        monkeypatch.setattr(plan_coding, "measure_codecs", count)

    def take(self) -> list[str]:
        taken, self.tensors = sorted(self.tensors), []
        return taken


def test_trials_are_kept_for_the_same_inputs_and_used_again(
    partway: Command, words: Words, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    counted = _Counted(monkeypatch)
    tried = (*words, *EARLY, "--codec", "float16", "--max-error", "5%", "--json")
    first = partway(*tried).document
    assert counted.take() == ["conv1", "image", "relu1"]
    assert partway(*tried).document["cuts"] == first["cuts"]
    assert counted.take() == []
    partway(*words, "--codec", "float16", "--max-error", "5%")  # more cuts: only what they add
    assert set(counted.take()).isdisjoint({"conv1", "image", "relu1"})
    partway(*tried, "--seed", "7")
    assert counted.take() == ["conv1", "image", "relu1"]
    partway(*tried, "--again")
    assert counted.take() == ["conv1", "image", "relu1"]
    for kept in (cache / "codecs").iterdir():
        kept.write_text("{")
    assert partway(*tried).status == 0
    assert counted.take() == ["conv1", "image", "relu1"]


def test_another_codec_is_tried_beside_what_is_kept(
    partway: Command, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _Counted(monkeypatch)
    for codec in ("float16", "int8"):
        document = partway(*words, *EARLY, "--codec", codec, "--max-error", "5%", "--json").document
        assert counted.take() == ["conv1", "image", "relu1"]
        assert codecs(document) == {"raw", codec}


def test_files_of_two_machines_and_no_input_run_nothing(
    partway: Command, words: Words, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def refuse(self: OrtSession, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...] | None = None) -> None:
        raise AssertionError("a plan of two files ran the model")

    monkeypatch.setattr(OrtSession, "run", refuse)
    document = partway(*words, "--json").document
    assert codecs(document) == {"raw"}
    assert document["notes"] == ["tensors travel raw, since nothing runs here; --codec lossless runs the model once"]
    assert not (cache / "codecs").exists()


@needs_zstandard
def test_files_of_two_machines_and_an_input_try_codecs_on_it(partway: Command, words: Words, tmp_path: Path) -> None:
    file = tmp_path / "image.npy"
    np.save(file, np.zeros((1, 3, 8, 8), np.float32))
    document = partway(*words, "--input", file, "--json").document
    assert any("on the given inputs" in note for note in document["notes"])
    image = {cut["codec"]: cut["up_bytes"] for cut in document["cuts"] if cut["crossing"] == ["image"]}
    assert image["zstd"] < image["raw"] / 4


def test_answers_that_are_no_numbers_leave_lossy_codecs_out(partway: Command, tmp_path: Path) -> None:
    kinds = ("Neg", "Sqrt", "Neg")
    tensors = ("x", "m", "r", "y")
    nodes = [
        helper.make_node(kind, [tensors[row]], [tensors[row + 1]], name=f"n{row}") for row, kind in enumerate(kinds)
    ]
    path = save(tmp_path / "nan.onnx", nodes, [value("x", 1, 512)], [value("y", 1, 512)])
    feeds = tmp_path / "x.npy"
    tried = ("plan", path, *LINK, "--on-server", "n2", "--codec", "float16,int8", "--max-error", "50%", "--json")
    for array in (np.ones((1, 512), np.float32), np.full((1, 512), np.nan, np.float32)):
        np.save(feeds, array)
        document = partway(*tried, "--input", feeds).document
        assert all(math.isfinite(cut["error"]) for cut in document["cuts"])
        assert not any(cut["codec"] == "int8" and cut["crossing"] == ["r"] for cut in document["cuts"])


def test_without_zstandard_plans_are_raw_and_asking_for_it_names_the_extra(
    partway: Command, words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise InputError("lossless codecs need zstandard: pip install 'partway[codec]'")

    monkeypatch.setattr(names, "load_zstandard", missing)
    finished = partway("plan", chain_model(tmp_path), *LINK, "--json")
    assert (finished.status, codecs(finished.document)) == (0, {"raw"})
    assert "tensors travel raw; to compress them: pip install 'partway[codec]'" in finished.document["notes"]
    assert "partway[codec]" in complaint(partway, *words, "--codec", "lossless")
    lossy = partway(*words, *EARLY, "--codec", "int8", "--max-error", "5%", "--json").document
    assert lossy["best"]["codec"] == "int8"
    assert available_codecs() == ("raw", "float16", "int8", "int8/channel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-error", "1%"), "--max-error is for lossy codecs; add for instance --codec int8"),
        (("--codec", "raw", "--max-error", "1%"), "--max-error is for lossy codecs, and --codec names none"),
        (("--codec", "raw,int8"), "int8 changes answers; say by how much"),
        (("--codec", "int8,float16"), "int8, float16 changes answers; say by how much"),
        (("--codec", "gzip"), "argument --codec: codec 'gzip' is unknown; expected one of raw"),
        (("--codec", ""), "argument --codec: codec '' is unknown"),
        (("--codec", "int8", "--max-error", "little"), "argument --max-error: 'little' is not a share"),
        (("--again",), "--again is for measuring, and nothing is measured"),
        (("--all-cuts",), "--all-cuts is for measuring, and nothing is measured"),
    ],
)
def test_codecs_and_budgets_that_make_no_sense_are_one_line(
    partway: Command, words: Words, options: Words, message: str
) -> None:
    assert message in complaint(partway, *words, *options)
