import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.models import chain_model, dynamic_model, multi_io_model

from partway import __version__
from partway.cli import inspect
from partway.cli.main import main

VERBS = ("inspect", "check", "plan", "run", "serve", "split", "bench", "profile", "evaluate", "simulate")


def complaint(partway: Command, *words: object) -> str:
    """The one line that a command with wrong input prints."""
    finished = partway(*words)
    assert finished.status == 2, finished
    assert finished.out == ""
    assert finished.err.startswith("partway: ")
    assert finished.err.count("\n") == 1
    return finished.err


def test_help_names_every_verb(partway: Command) -> None:
    finished = partway("--help")
    assert finished.status == 0
    assert all(f"\n    {verb}" in finished.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples_that_fits_a_terminal(partway: Command, verb: str) -> None:
    finished = partway(verb, "--help")
    assert finished.status == 0
    assert f"examples:\n  partway {verb} " in finished.out
    assert max(map(len, finished.out.splitlines())) <= 80


def test_version_is_the_package_s(partway: Command) -> None:
    assert partway("--version").out == f"partway {__version__}\n"


def test_no_verb_and_unknown_verbs_are_wrong_usage(partway: Command) -> None:
    assert "VERB" in complaint(partway)
    assert "invalid choice: 'fly'" in complaint(partway, "fly")


@pytest.mark.parametrize("verb", ["inspect", "check", "run"])
def test_a_missing_model_is_one_line(partway: Command, tmp_path: Path, verb: str) -> None:
    assert "there is no model file" in complaint(partway, verb, tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 100])
@pytest.mark.parametrize("verb", ["inspect", "check", "run"])
def test_a_file_that_is_no_model_is_one_line(partway: Command, tmp_path: Path, verb: str, content: bytes) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(content)
    assert str(path) in complaint(partway, verb, path)


def test_dimensions_left_open_are_listed_with_what_to_type(partway: Command, tmp_path: Path) -> None:
    assert "--shape image=" in complaint(partway, "inspect", dynamic_model(tmp_path))


def test_unknown_inputs_are_named(partway: Command, tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    assert "its inputs are image" in complaint(partway, "inspect", model, "--shape", "picture=1,3,8,8")
    assert "its inputs are image" in complaint(partway, "inspect", model, "--bind", "rate=1")


def test_shapes_that_do_not_fit_are_refused(partway: Command, tmp_path: Path) -> None:
    assert "[1, 2]" in complaint(partway, "inspect", chain_model(tmp_path), "--shape", "image=1,2")


def test_an_input_given_twice_is_refused(partway: Command, tmp_path: Path) -> None:
    words = ("--shape", "image=1,3,8,8", "--shape", "image=1,3,8,8")
    assert "twice" in complaint(partway, "inspect", chain_model(tmp_path), *words)


@pytest.mark.parametrize("words", [("--shape", "image"), ("--bind", "x=?"), ("--threads", "0"), ("--seed", "-1")])
def test_malformed_options_are_one_line(partway: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert f"argument {words[0]}" in complaint(partway, "inspect", chain_model(tmp_path), *words)


def test_input_files_are_checked(partway: Command, tmp_path: Path) -> None:
    model, path = multi_io_model(tmp_path), tmp_path / "x.npz"
    np.savez(path, a=np.zeros((1, 4), np.float32), b=np.zeros((1, 6), np.float32))
    assert "has no array 'late'" in complaint(partway, "run", model, "--input", path)
    assert "leave --shape out" in complaint(partway, "run", model, "--input", path, "--shape", "a=1,4")


def test_mistakes_of_our_own_are_one_line_too(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_model: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(inspect, "known_cuts", break_down)
    finished = partway("inspect", chain_model(tmp_path))
    assert finished.status == 1
    assert finished.err.count("\n") == 1
    assert "RuntimeError: out of order" in finished.err
    assert "Traceback" in partway("inspect", chain_model(tmp_path), "--verbose").err


def test_an_interrupt_is_status_130(partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_model: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "known_cuts", interrupt)
    finished = partway("inspect", chain_model(tmp_path))
    assert (finished.status, finished.err) == (130, "")


def test_logs_are_shown_on_stderr_when_asked_for(partway: Command, tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    finished = partway("inspect", model, "--json", "--verbose")
    assert "graph_canonicalised digest=sha256:" in finished.err
    assert finished.document["model"] == str(model)
    assert partway("inspect", model).err == ""


def test_a_cache_that_cannot_be_made_is_one_line(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PARTWAY_CACHE", str(tmp_path / "file" / "cache"))
    assert "PARTWAY_CACHE" in complaint(partway, "inspect", chain_model(tmp_path))


def run_process(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-m", "partway", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": source},
        timeout=60,
    )


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    finished = run_process("inspect", str(tmp_path / "none.onnx"))
    assert finished.returncode == 2
    assert finished.stderr == f"partway: there is no model file at {tmp_path / 'none.onnx'}\n"


def test_a_reader_that_has_read_enough_is_no_error(tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    source = str(Path(__file__).parents[2] / "src")
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "partway", "inspect", str(model), "--json"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            env={**os.environ, "PYTHONPATH": source},
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (finished.returncode, finished.stderr) == (1, b"")


def test_terminals_without_our_letters_get_others(tmp_path: Path) -> None:
    source = str(Path(__file__).parents[2] / "src")
    finished = subprocess.run(
        [sys.executable, "-m", "partway", "inspect", str(chain_model(tmp_path))],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": source, "PYTHONIOENCODING": "ascii"},
        timeout=60,
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.isascii()


def test_main_reads_the_process_s_own_words_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["partway", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"partway {__version__}\n"
