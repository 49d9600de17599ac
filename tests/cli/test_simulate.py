"""`partway simulate` answers what a scenario asks, as a table, a document and a figure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.simulation.scenarios import FLEET, STREAM, asking

BACK = '{ from = "12s", link = "up=20Mbit/s,down=56Mbit/s,rtt=10ms" }'
HOUR = FLEET + f'changes = [{{ from = "6s", link = "3g" }}, {BACK}]\n'
KEYS = {"jobs", "wall_s", "throughput_per_s", "mean_s", "p95_s", "utilisation", "points", "question", "seed", "reached"}


def scenario(folder: Path, text: str) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text)
    return path


def test_a_table_says_what_was_found_and_how_surely(partway: Command, tmp_path: Path) -> None:
    finished = partway("simulate", scenario(tmp_path, STREAM), "--cores", "1")
    assert finished.status == 0
    assert "a stream (± 95% confidence)" in finished.text
    assert "as it is" in finished.text
    assert re.search(r"answer mean [0-9.]+ ms, p95 [0-9.]+ ms at [0-9]+ requests/s \(load 0.7\)", finished.text)
    assert "played 32,000 requests in" in finished.text


def test_the_document_has_its_keys_and_numbers(partway: Command, tmp_path: Path) -> None:
    document = partway("simulate", scenario(tmp_path, STREAM), "--cores", "1", "--json").document
    assert set(document) >= KEYS
    assert document["jobs"] == 32_000
    assert document["seed"] == 3
    assert document["answer"].startswith("mean ")
    assert document["mean_s"] == pytest.approx(0.0196, rel=0.1)
    assert document["utilisation"] == pytest.approx(0.7, rel=0.1)
    assert document["points"][0]["mean_s_half_width"] > 0


def test_the_same_seed_prints_the_same_and_another_does_not(partway: Command, tmp_path: Path) -> None:
    path = scenario(tmp_path, STREAM)
    documents = [partway("simulate", path, "--cores", "1", "--json", "--seed", seed).document for seed in (1, 1, 2)]
    for document in documents:
        del document["wall_s"]
    assert documents[0] == documents[1]
    assert documents[0]["mean_s"] != documents[2]["mean_s"]


@pytest.mark.parametrize(
    ("text", "study", "said"),
    [
        (STREAM, 'kind = "load"\nloads = [0.3, 0.9]', ("load 0.9", "answer from load 0.3 to load 0.9 the mean")),
        (STREAM, 'kind = "throughput"\np95 = "80ms"', ("within p95 80 ms", "answer 1", "requests/s (load 0.")),
        (
            STREAM,
            'kind = "servers"\nmean = "20ms"\nrates = ["300/s"]',
            ("mean within 20 ms", "workers for 300 requests/s, within mean 20 ms"),
        ),
        (FLEET, 'kind = "load"\ndevices = [5, 40]', ("5 devices", "40 devices", "phones", "offloaded", "image")),
        (
            HOUR,
            'kind = "hour"',
            (
                "before",
                "during",
                "after",
                "during, had it not been",
                "more a request while links are bad",
                "s summed over all",
            ),
        ),
    ],
    ids=["load", "throughput", "servers", "fleet", "hour"],
)
def test_every_study_has_its_table_and_its_figure(
    partway: Command, tmp_path: Path, text: str, study: str, said: tuple[str, ...]
) -> None:
    pytest.importorskip("matplotlib")
    figure = tmp_path / "figure.svg"
    finished = partway("simulate", scenario(tmp_path, asking(text, study)), "--cores", "1", "--figure", figure)
    assert finished.status == 0, finished.err
    assert all(words in finished.text for words in said)
    assert figure.read_text().startswith("<?xml")


def test_groups_above_a_target_over_all_are_marked(partway: Command, tmp_path: Path) -> None:
    slow = FLEET[FLEET.index("[[devices]]") :].replace('"phones"', '"old phones"').replace("up=20Mbit/s", "up=2Mbit/s")
    text = asking(FLEET + slow, 'kind = "servers"\nmean = "250ms"\ndevices = [20]')
    finished = partway("simulate", scenario(tmp_path, text), "--cores", "1")
    assert "* 'old phones': above the target, which is over the requests of all devices" in finished.text
    assert re.search(r"old phones [0-9,]+ \* [0-9.]+ ms", finished.text)


def test_what_is_not_known_surely_enough_is_said(partway: Command, tmp_path: Path) -> None:
    text = STREAM.replace('mean = "50%"', 'mean = "0.01%"')
    finished = partway("simulate", scenario(tmp_path, text), "--cores", "1")
    assert "not known as surely as wanted after 8 runs" in finished.text
    assert not partway("simulate", scenario(tmp_path, text), "--cores", "1", "--json").document["reached"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STREAM.replace("workers", "wokers"), "line 12: unknown key 'wokers' in [server]; did you mean 'workers'?"),
        (STREAM.replace("workers = 2", "workers ="), "is no TOML"),
        (asking(STREAM, 'kind = "throughput"\nmean = "1ms"'), "mean stays above 1 ms"),
    ],
)
def test_a_mistake_is_one_line(partway: Command, tmp_path: Path, text: str, said: str) -> None:
    finished = partway("simulate", scenario(tmp_path, text), "--cores", "1")
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert said in finished.err


def test_a_figure_that_cannot_be_drawn_is_refused_before_anything_is_played(partway: Command, tmp_path: Path) -> None:
    path = scenario(tmp_path, STREAM)
    assert "names no format" in partway("simulate", path, "--figure", tmp_path / "x.gif").err
    assert "there is no folder" in partway("simulate", path, "--figure", tmp_path / "none" / "x.svg").err


def test_without_numba_the_rest_works_and_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['numba'] = None; from partway.cli.main import main; "
        f"sys.exit(main(['simulate', {str(scenario(tmp_path, STREAM))!r}, '--cores', '1']))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr == "partway: simulating needs numba: pip install 'partway[simulate]'\n"
