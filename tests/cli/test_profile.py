import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.graph.support import canonical
from tests.models import chain_model
from tests.prediction.known_machine import measured
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import HEADER, refusal, sample

from partway.cli import profile, profile_report
from partway.documents import read_document
from partway.engine import CPU, OrtRuntime, PieceStore
from partway.graph import device_only
from partway.prediction.pieces import PiecePredictor
from partway.prediction.profile import Profile
from partway.prediction.refit import fit_profile
from partway.profiling.machine import read_machine
from partway.profiling.quiet import Noise
from partway.profiling.samples import Refusal, Sample, read_header, read_samples
from partway.profiling.samples_file import SamplesFile
from partway.profiling.session import Collected, collect
from partway.zoo import random_graph

QUIET = Noise(span_s=0.5, waiting_share=0.0, spread=0.01, others_share=0.0, stolen_share=0.0)
LOUD = Noise(span_s=0.5, waiting_share=0.4, spread=0.01, others_share=0.0, stolen_share=0.0)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet machine on which a second passes whenever somebody looks at the clock."""
    monkeypatch.setattr(profile, "check_noise", lambda: QUIET)
    monkeypatch.setattr(profile, "collect", partial(collect, clock=count().__next__))


def samples_of(folder: Path) -> list[Sample | Refusal]:
    return list(read_samples(folder / "here.samples.jsonl"))


def test_it_measures_this_machine_and_says_what_it_has(partway: Command, tmp_path: Path) -> None:
    finished = partway("profile", "-o", tmp_path / "here.json", "--budget", "8s", "--threads", 1)
    assert (finished.status, finished.err) == (0, "")
    found = samples_of(tmp_path)
    measured = [record for record in found if isinstance(record, Sample)]
    assert f"measured {len(found)} graphs in 00:00:0" in finished.text
    assert "the time is spent" in finished.text
    assert "quiet 1 of 1 times" in finished.text
    assert f"samples {tmp_path / 'here.samples.jsonl'}" in finished.text
    assert f"profile {tmp_path / 'here.json'}" in finished.text
    assert all(None not in record.warm.kernels_s and record.warm.total_s > 0 for record in measured)
    header = read_header(tmp_path / "here.samples.jsonl")
    assert (header.threads, header.providers, header.seed) == ((1,), ("CPUExecutionProvider",), 0)


def test_a_second_of_measuring_makes_a_profile_that_predicts(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "collect", collect)
    output = tmp_path / "here.json"
    finished = partway("profile", "-o", output, "--budget", "1s", "--threads", 1, "--json")
    assert (finished.status, finished.document["profile"], finished.document["ended"]) == (0, str(output), "budget")
    made = read_document(output, Profile)
    assert (made.machine, made.runtime, made.providers) == (read_machine(), OrtRuntime().version, (CPU,))
    assert made.sampling.graphs == finished.document["graphs"] > 0
    model = canonical(chain_model(tmp_path))
    (whole,) = PiecePredictor(made.predictor(1), PieceStore(model, OrtRuntime(threads=1))).cuts((device_only(model),))
    assert whole.head is not None
    assert 0 < whole.head.seconds < 10


def test_it_goes_on_with_what_is_there(partway: Command, tmp_path: Path) -> None:
    words = ("profile", "-o", tmp_path / "here.json", "--budget", "6s", "--threads", 1, "--json")
    first = partway(*words).document
    finished = partway(*words)
    assert f"going on after {first['added']} graphs" in finished.err
    found = samples_of(tmp_path)
    assert [record.index for record in found] == list(range(first["added"] + finished.document["added"]))
    again = partway(*words, "--again")
    assert again.err == ""
    assert len(samples_of(tmp_path)) == again.document["added"]


def test_settings_of_threads_take_turns(partway: Command, tmp_path: Path) -> None:
    words = ("--threads", 1, "--threads", 2, "--threads", 1, "--float16", "--seed", 3)
    assert partway("profile", "-o", tmp_path / "here.json", "--budget", "8s", *words).status == 0
    found = samples_of(tmp_path)
    assert [record.threads for record in found] == [1 + index % 2 for index in range(len(found))]
    assert len(found) == 5


def test_json_tells_all_of_it(partway: Command, tmp_path: Path) -> None:
    with SamplesFile(tmp_path / "here.samples.jsonl", HEADER) as sink:
        for index in range(4):
            sink.append(sample(index, busy_share=0.5 if index == 2 else 1.0))
        for index in range(4, 7):
            sink.append(refusal(index, f"no kernel for fly_{index}"))
    document = partway("profile", "-o", tmp_path / "here.json", "--refit", "--json").document
    held_out = document.pop("held_out")
    assert (held_out.keys(), held_out["1"]["graphs"]) == ({"1"}, 1)
    assert document == {
        "samples": str(tmp_path / "here.samples.jsonl"),
        "profile": str(tmp_path / "here.json"),
        "graphs": 4,
        "kernels": 8,
        "kinds": {"Gemm": 8},
        "disturbed": 1,
        "refusals": {"no kernel for fly_N": 3},
        "added": 0,
        "elapsed_s": 0.0,
        "ended": None,
        "noise": [],
    }
    finished = partway("profile", "-o", tmp_path / "here.json", "--refit")
    assert "graphs 4, 25 % of them disturbed" in finished.text
    assert "kernels 8 of 1 kinds" in finished.text
    assert "3 no kernel for fly_N" in finished.text


def test_a_machine_that_is_not_quiet_is_told_once(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "check_noise", lambda: LOUD)
    finished = partway("profile", "-o", tmp_path / "here.json", "--budget", "4s", "--threads", 1)
    assert finished.status == 0
    assert finished.err.count("not quiet: work waited 40 % of the time for a core. Close other programs") == 1
    assert "quiet 0 of 1 times" in finished.text


def test_an_interrupt_keeps_what_is_there_and_is_status_130(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Collected(added=0, elapsed_s=1.0, noises=(QUIET,), ended="interrupted")
    monkeypatch.setattr(profile, "collect", lambda *_args, **_options: collected)
    finished = partway("profile", "-o", tmp_path / "here.json")
    assert finished.status == 130
    assert "interrupted; the same command goes on" in finished.text


def test_ctrl_c_keeps_what_was_measured_and_refit_makes_a_profile_of_it(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, turns = tmp_path / "here.json", count()

    def make(*arguments: object, **options: object) -> object:
        if next(turns) == 3:
            raise KeyboardInterrupt
        return random_graph(*arguments, **options)  # type: ignore[arg-type] # whatever it was called with

    monkeypatch.setattr(profile, "random_graph", make)
    finished = partway("profile", "-o", output, "--threads", 1)
    assert finished.status == 130
    assert f"none yet; `partway profile -o {output} --refit` fits one" in finished.text
    assert (output.exists(), len(samples_of(tmp_path))) == (False, 3)
    assert partway("profile", "-o", output, "--refit").status == 0
    assert read_document(output, Profile).sampling.graphs == 3


def test_a_profile_is_fitted_to_the_samples(partway: Command, tmp_path: Path) -> None:
    with SamplesFile(tmp_path / "here.samples.jsonl", HEADER) as sink:
        for known in measured(zoo_graphs(30)):
            sink.append(known)
    finished = partway("profile", "-o", tmp_path / "here.json", "--refit")
    made = read_document(tmp_path / "here.json", Profile)
    assert made == fit_profile(tmp_path / "here.samples.jsonl")
    judged = made.sampling.held_out["1"]
    assert f"held out of {judged.graphs} graphs that were not fitted with 1 thread, half are within" in finished.text
    assert "measured" not in finished.text


def test_without_scipy_it_says_so_before_it_measures(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    for words in ((), ("--refit",)):
        complained = complaint(partway, "profile", "-o", tmp_path / "here.json", *words)
        assert "fitting a profile needs scipy: pip install 'partway[profile]'" in complained
    assert list(tmp_path.glob("here*")) == []


def test_wrong_words_are_one_line(partway: Command, tmp_path: Path) -> None:
    output = tmp_path / "here.json"
    assert "no file was named for the profile; add for instance -o" in complaint(partway, "profile")
    assert "no file was named for the profile" in complaint(partway, "profile", "--refit")
    assert "argument --budget: 'soon' is not a duration" in complaint(
        partway, "profile", "-o", output, "--budget", "soon"
    )
    assert "argument --threads" in complaint(partway, "profile", "-o", output, "--threads", "0")
    assert "it is a folder" in complaint(partway, "profile", "-o", tmp_path)
    assert "there is no folder" in complaint(partway, "profile", "-o", tmp_path / "nowhere" / "here.json")
    assert "has no provider 'FlyExecutionProvider'" in complaint(partway, "profile", "-o", output, "--provider", "Fly")
    assert "there are no samples at" in complaint(partway, "profile", "-o", output, "--refit")
    assert list(tmp_path.glob("here*")) == []


def test_samples_that_are_not_ours_to_go_on_with_are_one_line(partway: Command, tmp_path: Path) -> None:
    output, samples = tmp_path / "here.json", tmp_path / "here.samples.jsonl"
    with SamplesFile(samples, HEADER):
        assert "another process writes" in complaint(partway, "profile", "-o", output)
    assert "was begun on Pencil, paper, 2 cores, fma, and now it is" in complaint(partway, "profile", "-o", output)
    samples.write_bytes(samples.read_bytes().replace(b'"seed":0', b'"seed":{}'))
    assert "is damaged" in complaint(partway, "profile", "-o", output)
    samples.write_text("my samples\n")
    assert "holds no samples" in complaint(partway, "profile", "-o", output, "--again")
    assert samples.read_text() == "my samples\n"


@contextmanager
def profiling(output: Path, budget: str) -> Iterator["subprocess.Popen[str]"]:
    """A `partway profile` in a process of its own, which logs every record that it has kept."""
    words = ["profile", "-o", str(output), "--budget", budget, "--threads", "1", "--verbose"]
    process = subprocess.Popen(
        [sys.executable, "-m", "partway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kill(process: "subprocess.Popen[str]", after_records: int, after_s: float) -> int:
    """Kill it some time after it has said that it keeps so many records; how many it has said at last."""
    assert process.stderr is not None
    kept = 0
    while kept < after_records and (line := process.stderr.readline()):
        kept += "record_kept" in line
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=after_s)
    process.kill()
    return kept + process.stderr.read().count("record_kept")


def test_killed_three_times_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    output, samples = tmp_path / "here.json", tmp_path / "here.samples.jsonl"
    chance = random.Random(3)
    before: list[bytes] = []
    for _ in range(3):
        with profiling(output, "10min") as process:
            kept = kill(process, chance.randint(1, 6), chance.uniform(0, 0.2))
        whole = [line for line in samples.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        assert whole[: len(before)] == before
        assert kept >= 1
        assert len(whole) >= max(1, len(before)) + kept
        before = whole
    with profiling(output, "300ms") as process:
        printed, _ = process.communicate()
        assert process.returncode == 0
    found = list(read_samples(samples))
    assert [record.index for record in found] == list(range(len(found)))
    assert samples.read_bytes().splitlines(keepends=True)[: len(before)] == before
    assert f"measured {len(found) + 1 - len(before)} graph" in " ".join(printed.split())


@pytest.mark.parametrize(("terminal", "hidden"), [(True, False), (True, True), (False, False)])
def test_the_time_left_is_shown_to_who_looks(terminal: bool, hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    console = partial(Console, file=shown, force_terminal=terminal, width=100)
    monkeypatch.setattr(profile_report, "Console", lambda **_options: console())
    with profile_report.follow_budget(90.0, quiet=hidden) as advance:
        advance(0.0, 0)
        advance(0.1, 1)
        advance(30.0, 12)
    assert ("12 graphs, 00:01:00 left" in shown.getvalue()) is (terminal and not hidden)
    assert " 1 graphs" not in shown.getvalue()


def test_nothing_but_a_profile_is_replaced_by_one(partway: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert "is there already and is no profile" in complaint(partway, "profile", "-o", other)
    assert other.read_text() == "{}"
    assert "is a name for samples" in complaint(partway, "profile", "-o", tmp_path / "here.samples.jsonl")


def test_what_cannot_be_done_together_is_one_line(partway: Command, tmp_path: Path) -> None:
    here = tmp_path / "here.json"
    assert "--compare and --model were both given" in complaint(
        partway, "profile", "-o", here, "--compare", here, here, "--model", here
    )
    assert "leave one out" in complaint(partway, "profile", "-o", here, "--refit", "--again")
