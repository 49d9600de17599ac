from functools import partial
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.models import chain_model, diamond_model, dynamic_model, optional_input_model
from tests.prediction.profiles import predictor, profile
from tests.profiling.records import MACHINE

from partway.cli import evaluate
from partway.documents import write_document
from partway.engine import OrtRuntime
from partway.prediction.trial import measure
from partway.profiling import Effort
from partway.profiling.comparison import Stopwatch
from partway.profiling.machine import read_machine
from partway.profiling.quiet import Noise

QUICK = Effort(warm_ups=1, least_runs=2, most_runs=2, budget_s=0.0)
QUIET = Noise(span_s=0.5, waiting_share=0.0, spread=0.01, others_share=0.0, stolen_share=0.0)
LOUD = Noise(span_s=0.5, waiting_share=0.4, spread=0.01, others_share=0.0, stolen_share=0.0)


class Steady:
    """Clocks that are always on time: every look takes a second."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet machine on which every run of anything takes a second."""
    stopwatch = Stopwatch(effort=QUICK, kernels=QUICK, clock=Steady(), cpu_clock=lambda: 0.0)
    monkeypatch.setattr(evaluate, "check_noise", lambda: QUIET)
    monkeypatch.setattr(evaluate, "measure", partial(measure, stopwatch=stopwatch))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A profile of this machine that takes every kernel for a roofline's."""
    path = tmp_path / "here.json"
    write_document(path, profile(predictor(), machine=read_machine()))
    return path


def test_models_pieces_shares_and_kinds_are_shown(partway: Command, tmp_path: Path, here: Path) -> None:
    finished = partway("evaluate", here, chain_model(tmp_path), "--cuts", 2)
    assert finished.status == 0
    assert f"profile {here}" in finished.text
    assert "threads 1 thread" in finished.text
    assert "quiet 2 of 2 times" in finished.text
    assert "1 s +0.0 %" in finished.text
    assert f"Pieces of {tmp_path / 'chain.onnx'}" in finished.out
    assert "pool1" in finished.out
    assert "whole models 1 100.0 % 0 % (0-79)" in finished.text
    assert "Softmax.inner *" in finished.out or "Softmax *" in finished.out


def test_json_has_the_documented_keys(partway: Command, tmp_path: Path, here: Path) -> None:
    paths = (chain_model(tmp_path), diamond_model(tmp_path))
    document = partway("evaluate", here, *paths, "--json", "--cuts", 2).document
    assert [model["model"] for model in document["models"]] == [str(path) for path in paths]
    for model in document["models"]:
        assert (model["measured_s"], model["repeated_s"], model["steady"]) == (1.0, 1.0, True)
        assert 0 < model["predicted_s"] < 1e-3
        assert len(model["cuts"]) == 2
        assert model["cuts"][0]["head"].keys() >= {"measured_s", "repeated_s", "predicted_s", "spread", "calibrated_s"}
        assert model["kinds"][0].keys() >= {"variant", "kernels", "predicted_s", "measured_s", "sampled"}
    assert (document["within_10_percent"], document["within_20_percent"]) == (0.0, 0.0)
    assert document["pieces"].keys() >= {"median_error", "calibrated_median_error"}
    assert document["pieces"]["all"]["count"] == 8
    assert document["whole"]["steady"]["within_10_percent"]["high"] == pytest.approx(0.658, abs=1e-3)
    assert (document["threads"], document["profile"]) == (1, str(here))


def test_pieces_of_several_models_are_shown_when_asked_for(partway: Command, tmp_path: Path, here: Path) -> None:
    words = ("evaluate", here, chain_model(tmp_path), diamond_model(tmp_path), "--cuts", 1)
    assert "Pieces of" not in partway(*words).out
    assert partway(*words, "--pieces").out.count("Pieces of") == 2


def test_models_that_do_not_repeat_are_listed_apart(
    partway: Command, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slower(Steady):
        def __call__(self) -> float:
            self.now_s *= 1.1
            return super().__call__()

    stopwatch = Stopwatch(effort=QUICK, kernels=QUICK, clock=Slower(), cpu_clock=lambda: 0.0)
    monkeypatch.setattr(evaluate, "measure", partial(measure, stopwatch=stopwatch))
    finished = partway("evaluate", here, chain_model(tmp_path), "--cuts", 0)
    assert "Whole models that this machine itself did not repeat within 5 %" in finished.out
    assert "Whole models\n" not in finished.out
    assert "that repeat" not in finished.out


def test_kinds_that_were_never_sampled_are_named_with_their_share(partway: Command, tmp_path: Path, here: Path) -> None:
    finished = partway("evaluate", here, chain_model(tmp_path), "--json")
    assert "the profile has no samples of" in finished.err
    assert "% of a piece)" in finished.err
    assert "--strict" in finished.err
    assert any("no samples of" in note for note in finished.document["notes"])
    refused = partway("evaluate", here, chain_model(tmp_path), "--strict")
    assert (refused.status, refused.out) == (2, "")
    assert f"{tmp_path / 'chain.onnx'}: the profile has no samples of" in refused.err


def test_a_profile_of_another_machine_is_said_to_be_one(partway: Command, tmp_path: Path, here: Path) -> None:
    there = tmp_path / "there.json"
    write_document(there, profile(predictor(), machine=MACHINE, runtime="none 1"))
    finished = partway("evaluate", there, chain_model(tmp_path), "--cuts", 0)
    assert finished.status == 0
    assert "not of this machine: it predicts Pencil, 2 paper cores, none 1, and this is" in finished.err
    assert "not of this machine" not in partway("evaluate", here, chain_model(tmp_path), "--cuts", 0).err


def test_a_machine_that_is_not_quiet_is_said_to_be_so_once(
    partway: Command, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "check_noise", lambda: LOUD)
    finished = partway("evaluate", here, chain_model(tmp_path), "--cuts", 0)
    assert finished.err.count("not quiet: work waited 40 % of the time") == 1
    assert "quiet 0 of 2 times" in finished.text
    assert "something else had their core" in finished.err


def test_threads_are_the_profiles_own(partway: Command, tmp_path: Path) -> None:
    several = tmp_path / "several.json"
    write_document(several, profile(predictor(threads=1), predictor(threads=2), machine=read_machine()))
    words = ("evaluate", several, chain_model(tmp_path), "--cuts", 0, "--json")
    refused = partway(*words)
    assert refused.status == 2
    assert "only with 1, 2" in refused.err
    assert partway(*words, "--threads", 2).document["threads"] == 2
    assert "no samples with 3 threads" in partway(*words, "--threads", 3).err
    default = tmp_path / "default.json"
    write_document(default, profile(predictor(threads=0), machine=read_machine()))
    finished = partway("evaluate", default, chain_model(tmp_path), "--cuts", 0)
    assert "threads default" in finished.text


def test_shapes_and_values_apply_where_the_input_is(partway: Command, tmp_path: Path, here: Path) -> None:
    words = ("evaluate", here, "--cuts", 0, "--json")
    models = (dynamic_model(tmp_path), chain_model(tmp_path), optional_input_model(tmp_path))
    options = ("--shape", "image=1,3,8,8", "--bind", "scale=[[4,3,2,1]]")
    document = partway(*words, *models, *options).document
    assert ['"image"' in model["binding"] for model in document["models"]] == [True, True, False]
    assert "scale" in document["models"][2]["binding"]
    refused = partway(*words, *models, *options, "--shape", "picture=1")
    assert refused.status == 2
    assert "no model has an input picture; their inputs are image" in refused.err


def test_every_model_is_looked_at_before_anything_is_measured(
    partway: Command, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured too early")

    monkeypatch.setattr(evaluate, "measure", refuse)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for wrong in ("missing.onnx", "broken.onnx"):
        finished = partway("evaluate", here, chain_model(tmp_path), tmp_path / wrong)
        assert (finished.status, finished.out) == (2, "")
        assert str(tmp_path / wrong) in finished.err
        assert len(finished.err.splitlines()) == 1
    unbound = partway("evaluate", here, chain_model(tmp_path), dynamic_model(tmp_path))
    assert unbound.status == 2
    assert f"{tmp_path / 'dynamic.onnx'}: " in unbound.err


def test_a_plot_is_drawn_and_what_prevents_it_is_said_first(partway: Command, tmp_path: Path, here: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ("evaluate", here, chain_model(tmp_path), "--cuts", 1, "--plot")
    finished = partway(*words, tmp_path / "plot.svg")
    assert f"plot {tmp_path / 'plot.svg'}" in finished.text
    assert b"<svg" in (tmp_path / "plot.svg").read_bytes()
    assert "ends in .png, .svg or .pdf" in partway(*words, tmp_path / "plot.jpg").err
    assert "there is no folder" in partway(*words, tmp_path / "nowhere" / "plot.png").err


@pytest.mark.parametrize(("cuts", "complaint"), [("41", "give at most 40"), ("-1", "whole number"), ("few", "whole")])
def test_cuts_are_a_count_that_the_runtime_can_keep_apart(
    partway: Command, tmp_path: Path, here: Path, cuts: str, complaint: str
) -> None:
    finished = partway("evaluate", here, chain_model(tmp_path), f"--cuts={cuts}")
    assert finished.status == 2
    assert complaint in finished.err


def test_something_else_than_a_profile_is_refused(partway: Command, tmp_path: Path) -> None:
    finished = partway("evaluate", chain_model(tmp_path), chain_model(tmp_path))
    assert finished.status == 2
    assert "is not a Partway document" in finished.err


def test_a_provider_that_is_not_here_is_named(partway: Command, tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    write_document(path, profile(predictor(), providers=("NowhereExecutionProvider",), runtime=OrtRuntime().version))
    assert "no provider 'NowhereExecutionProvider'" in partway("evaluate", path, chain_model(tmp_path)).err
