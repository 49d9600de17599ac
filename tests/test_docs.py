"""README, docs and examples keep their word: links lead somewhere, verbs exist, blocks run as they are printed.

A page's blocks run in order, in one folder that holds `model.onnx`, `models/model.onnx` and the examples:

    ```python     runs as a program
    ```console    lines with `$ partway ...` run in this process, where all is imported, and must exit with 0; a
                  trailing `&` leaves a server running behind the rest of the page, in a process of its own and on a
                  free port that takes the place of the one printed

Blocks in other words (`sh`, `text`) are only read by people. `partway demo` has `make demo` to itself.
"""

import contextlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model
from tests.processes import serving

from partway.cli import main

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SCENARIOS = sorted((ROOT / "examples").glob("*.toml"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCUMENTS = ROOT / "docs" / "documents.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PRINTED_SERVER = "grpc://127.0.0.1:8001"


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = chain_model(tmp_path).rename(tmp_path / "model.onnx")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.onnx").write_bytes(model.read_bytes())
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    np.savez(tmp_path / "inputs.npz", image=np.zeros((1, 3, 8, 8), np.float32))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_the_blocks_of_a_page_run(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    with contextlib.ExitStack() as stack:
        server = PRINTED_SERVER
        for language, content in blocks(page):
            if language == "python":
                program = [sys.executable, "-c", content.replace(PRINTED_SERVER, server)]
                finished = subprocess.run(program, capture_output=True, text=True, check=False)
                assert finished.returncode == 0, f"{content}\n{finished.stdout}{finished.stderr}"
                continue
            for words in commands(content):
                if words[:2] == ["partway", "serve"] and words[-1] == "&":
                    repository, *options = words[2:-1]
                    server = stack.enter_context(serving(folder / repository, *options)).url
                elif words[:2] != ["partway", "demo"]:
                    status = main.main([word.replace(PRINTED_SERVER, server) for word in words[1:]])
                    printed = capsys.readouterr()
                    assert status == 0, f"{shlex.join(words)}\n{printed.out}{printed.err}"


def commands(content: str) -> list[list[str]]:
    lines = content.replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ partway")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}, which is not there"


def test_the_read_me_names_every_verb_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    verbs = re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert verbs
    told = (ROOT / "README.md").read_text()
    for verb in verbs:
        assert f"partway {verb}" in told, f"README.md does not mention `partway {verb}`"


def test_the_read_me_names_no_target_of_make_that_is_not_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z]+)", page.read_text())) <= targets


@pytest.mark.parametrize(
    "command",
    ["inspect", "check", "plan --link lte", "run", "bench --link wifi --requests 1"],
    ids=lambda words: words.split()[0],
)
def test_the_keys_told_are_the_keys_printed(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verb, *options = command.split()
    assert main.main([verb, str(folder / "model.onnx"), *options, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (row,) = re.findall(rf"^\| `partway {verb}` \| (.*) \|$", DOCUMENTS.read_text(), re.MULTILINE)
    for path in re.findall(r"`([a-z0-9_.\[\]]+)`", row):
        value = printed
        for key in path.split("."):
            value = value[key.removesuffix("[]")]
            if key.endswith("[]"):
                assert isinstance(value, list), path
                value = value[0] if value else None


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_prints_what_it_says_that_it_prints(example: Path, tmp_path: Path) -> None:
    finished = subprocess.run([sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == example.with_suffix(".txt").read_text()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_a_scenario_is_played_and_found_as_surely_as_it_asks(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["simulate", str(scenario), "--cores", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reached"]
