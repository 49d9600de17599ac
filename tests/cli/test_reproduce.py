from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint

from partway.studies import STUDIES, Setup, busy_centre, throughput

KEYS = {
    "figure",
    "quantity",
    "unit",
    "paper",
    "ours",
    "ratio",
    "kind",
    "certainty",
    "mark",
    "holds",
    "could_fail",
    "note",
    "span",
}


def test_one_figure_is_told_with_its_notes_and_tables(partway: Command) -> None:
    finished = partway("reproduce", "--figure", "6")
    assert (finished.status, finished.err) == (0, "")
    assert "Figure 6: AlexNet on the device's GPU over Wi-Fi" in finished.text
    assert "that cut, times faster than server-only" in finished.text
    assert "Every cut of AlexNet, device GPU, Wi-Fi" in finished.text
    assert "3 of 3 marks that could be missed are met" in finished.text


def test_json_is_one_document_with_the_documented_keys(partway: Command) -> None:
    document = partway("reproduce", "--figure", "3", "--figure", "5", "--json").document
    assert all(row.keys() == KEYS for row in document["rows"])
    assert {row["figure"] for row in document["rows"]} == {"3", "4", "5"}
    assert {row["kind"] for row in document["rows"]} <= {"fitted", "predicted", "sensitivity"}
    assert {row["certainty"] for row in document["rows"]} <= {"quoted", "second-hand", "from memory", "computed"}
    (gpu,) = (row for row in document["rows"] if row["quantity"] == "AlexNet on the device's GPU")
    assert gpu["paper"] == 0.081
    assert gpu["ratio"] == pytest.approx(gpu["ours"] / 0.081)
    (order,) = (row for row in document["rows"] if row["quantity"] == "device GPU is faster than server-only over LTE")
    assert (order["paper"], order["ours"], order["ratio"], order["holds"]) == (True, True, None, True)
    assert document["assumptions"]
    (layers,) = document["tables"]
    assert layers["figures"] == [5]
    assert {len(row) for row in layers["rows"]} == {len(layers["columns"])}


def test_a_study_of_no_figure_is_asked_for_by_name(partway: Command) -> None:
    finished = partway("reproduce", "--figure", "layers")
    assert finished.text.startswith("Against the authors' own layer times quantity paper")
    document = partway("reproduce", "--figure", "layers", "--json").document
    assert {"layers", "10-12", "16"} == {row["figure"] for row in document["rows"]}
    assert {"authors' files", "quoted", "second-hand"} == {row["certainty"] for row in document["rows"]}


def test_the_last_line_counts_marks_that_could_be_missed_apart_and_what_disagrees_without_one(partway: Command) -> None:
    finished = partway("reproduce", "--figure", "3")
    assert "marks 3 of 3 marks that could be missed are met: 3 of 3 on sensitivity rows; 4 more could" in finished.text
    assert "4 on fitted rows and 0 that would be met if nothing were gained, and 4 are met" in finished.text
    assert "of 7 numbers and statements of the paper without a mark, 0 are more than 20 % off" in finished.text
    without = partway("reproduce", "--figure", "13")
    assert "no mark was set here; of 3 numbers and statements" in without.text


def test_what_is_left_out_without_numba_is_said_in_the_last_line(
    partway: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (busy_centre, throughput):
        monkeypatch.setattr(module, "simulates", lambda: False)
    finished = partway("reproduce", "--figure", "15", "--figure", "16")
    assert "9 rows of Figures 15 and 16 were left out" in finished.text
    assert "pip install 'partway[simulate]'" in finished.text.split("were left out")[1]
    assert "within 20 %, as no gain is: met" in finished.text
    assert "1 that would be met if nothing were gained" in finished.text


def test_a_folder_gets_a_page_and_every_figure(partway: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / "index.html").write_text("an older one")
    finished = partway("reproduce", "--figure", "5", "--output", folder)
    assert f"page {folder / 'index.html'}" in finished.text
    assert sorted(path.name for path in folder.iterdir()) == ["figure-05.png", "figure-05.svg", "index.html"]
    assert "fc6, of AlexNet&#x27;s time on the device&#x27;s GPU" in (folder / "index.html").read_text()


def test_wrong_words_are_one_line(partway: Command, tmp_path: Path) -> None:
    known = ", ".join(map(str, sorted({figure for study in STUDIES for figure in study.figures})))
    assert f"'2' is no figure that is reproduced; they are {known}" in complaint(partway, "reproduce", "--figure", "2")
    assert "'six' is no figure" in complaint(partway, "reproduce", "--figure", "six")
    assert "'-1' is no count" in complaint(partway, "reproduce", "--seed", "-1")
    (tmp_path / "file").write_text("")
    assert "it is a file; give a folder" in complaint(partway, "reproduce", "--output", tmp_path / "file")
    assert f"{tmp_path / 'file'} is a file" in complaint(partway, "reproduce", "--output", tmp_path / "file" / "paper")
    assert "an empty name is no folder" in complaint(partway, "reproduce", "--output", "")
    assert "there is no folder" in complaint(partway, "reproduce", "--output", tmp_path / "none" / "paper")


def test_help_says_what_the_kinds_mean(partway: Command) -> None:
    finished = partway("reproduce", "--help")
    assert finished.status == 0
    for word in ("fitted", "predicted", "sensitivity", "--figure", "--output", "--seed", "--json", "15, 16, layers"):
        assert word in finished.text


@pytest.mark.parametrize("network", ["alexnet", "senna-ner"])
def test_plan_finds_the_cut_and_the_seconds_that_studies_find(partway: Command, network: str) -> None:
    setup = Setup.of_paper(result_sent=False)
    table, link = setup.table(network, setup.device("GPU")), setup.link("Wi-Fi")
    words = ("plan", network, "--device", "jetson-tk1-gpu", "--server", "tesla-k40", "--link", "paper-wifi")
    document = partway(*words, "--json").document
    names = {(): "device", (table.network.input_name,): "server"}
    names |= {(layer.output,): layer.name for layer in table.network.layers if layer.kind != "dropout"}
    # The paper's algorithm has no way down.
    planned_s = {
        names[crossing]: cut["latency_s"] - cut["downlink_s"]
        for cut in document["cuts"]
        if (crossing := tuple(cut["crossing"])) in names
    }
    studied_s = {table.name_of(cut): float(s) for cut, s in enumerate(table.latency_s(link))}
    assert len(planned_s) >= 4
    assert planned_s == pytest.approx({name: studied_s[name] for name in planned_s}, rel=1e-4)
    assert names[tuple(document["best"]["crossing"])] == min(studied_s, key=lambda name: studied_s[name])
