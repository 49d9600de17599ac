import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.models import chain_model, diamond_model, dynamic_model, multi_io_model

from partway.documents import read_document, write_document
from partway.engine import OrtRuntime
from partway.graph import Source, canonicalise, single_tensor_cuts
from partway.planning import PlanDocument
from partway.profiling import Measurement

LINK = ("--link", "up=8Mbit/s,down=8Mbit/s,rtt=10ms")


def test_cuts_are_ranked_the_best_first_with_a_star(partway: Command, tmp_path: Path) -> None:
    finished = partway("plan", chain_model(tmp_path), *LINK)
    assert (finished.status, finished.err) == (0, "")
    rows = [line.split() for line in finished.out.splitlines() if " ms" in line or " µs" in line]
    assert rows[0][:2] == ["1", "*"]
    assert "(device alone)" in finished.out
    assert "(server alone)" in finished.out
    assert "best device alone in " in finished.text  # nothing beats half a millisecond of compute
    assert "link up=8Mbit/s,down=8Mbit/s,rtt=10ms: up 8 Mbit/s, down 8 Mbit/s, round trip 10 ms" in finished.text


def test_json_has_the_documented_keys(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    document = partway("plan", path, *LINK, "--json").document
    assert document.keys() >= {"model", "objective", "link", "best", "cuts"}
    assert (document["model"], document["objective"], document["link"]) == (str(path), "latency", LINK[1])
    keys = {"crossing", "device_s", "up_bytes", "server_s", "down_bytes", "latency_s", "energy_j"}
    assert all(cut.keys() >= keys for cut in (document["best"], *document["cuts"]))
    assert document["best"] == document["cuts"][0]
    latencies = [cut["latency_s"] for cut in document["cuts"]]
    assert latencies == sorted(latencies)
    assert {cut["how"] for cut in document["cuts"]} == {"measured", "interpolated"}


def test_a_latency_is_the_sum_of_its_parts(partway: Command, tmp_path: Path) -> None:
    load = ("--queue-delay", "5ms", "--slowdown", "3")
    document = partway("plan", chain_model(tmp_path), *LINK, *load, "--json").document
    for cut in document["cuts"]:
        parts_s = cut["device_s"] + cut["uplink_s"] + 3 * cut["server_s"] + cut["downlink_s"] + cut["wait_s"]
        assert cut["latency_s"] == pytest.approx(parts_s)
        assert cut["wait_s"] == pytest.approx(0.015 if cut["offloaded"] else 0)
        assert cut["uplink_s"] == pytest.approx(cut["up_bytes"] / 1e6)


def test_costs_are_kept_and_used_again_unless_asked_not_to(partway: Command, tmp_path: Path, cache: Path) -> None:
    path = chain_model(tmp_path)
    first = partway("plan", path, *LINK, "--json").document
    second = partway("plan", path, *LINK, "--json").document
    assert second["cuts"] == first["cuts"]
    assert any("--again measures anew" in note for note in second["notes"])
    (kept,) = (cache / "measurements").iterdir()
    before = kept.read_bytes()
    third = partway("plan", path, *LINK, "--again", "--json").document
    assert not any("--again measures anew" in note for note in third["notes"])
    assert kept.read_bytes() != before


def test_kept_costs_that_are_damaged_are_taken_anew(partway: Command, tmp_path: Path, cache: Path) -> None:
    path = chain_model(tmp_path)
    partway("plan", path, *LINK)
    (kept,) = (cache / "measurements").iterdir()
    kept.write_text("{")
    assert partway("plan", path, *LINK).status == 0
    assert read_document(kept, Measurement).cuts


def test_other_bindings_and_threads_have_costs_of_their_own(partway: Command, tmp_path: Path, cache: Path) -> None:
    path = dynamic_model(tmp_path)
    for words in (("image=1,3,8,8",), ("image=2,3,8,8",), ("image=1,3,8,8", "--threads", "1")):
        assert partway("plan", path, *LINK, "--shape", *words).status == 0
    assert len(list((cache / "measurements").iterdir())) == 3


def test_all_cuts_are_measured_on_request(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    partway("plan", path, *LINK)
    document = partway("plan", path, *LINK, "--all-cuts", "--json").document
    assert {cut["how"] for cut in document["cuts"]} == {"measured"}


def test_an_emulated_device_is_labelled_everywhere(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "plan.json"
    partway("plan", path, *LINK)
    words = ("plan", path, *LINK, "--device-slowdown", "8")
    assert "EMULATED 8x slower" in partway(*words, "-o", file).out
    assert "EMULATED 8x slower" in read_document(file, PlanDocument).device
    document = partway(*words, "--json").document
    assert document["device_emulated_slowdown"] == 8
    assert document["server_emulated_slowdown"] == 1
    real = partway("plan", path, *LINK, "--json").document

    def device_s(plan: dict[str, object]) -> list[float]:
        cuts: list[dict[str, float]] = plan["cuts"]  # type: ignore[assignment]  # JSON, as tested above
        return sorted(cut["device_s"] for cut in cuts)

    assert device_s(document) == pytest.approx([8 * seconds for seconds in device_s(real)])


def test_plans_of_two_machines_come_from_their_files(partway: Command, tmp_path: Path, cache: Path) -> None:
    path, device, server = diamond_model(tmp_path), tmp_path / "device.json", tmp_path / "server.json"
    assert partway("plan", path, "--measure-only", "--device-slowdown", "100", "-o", device).status == 0
    assert partway("plan", path, "--measure-only", "-o", server).status == 0
    assert read_document(device, Measurement).environment.emulated_slowdown == 100
    (kept,) = (cache / "measurements").iterdir()
    kept.unlink()
    document = partway("plan", path, *LINK, "--device", device, "--server", server, "--json").document
    assert document["device_emulated_slowdown"] == 100
    assert list((cache / "measurements").iterdir()) == []


def test_measuring_alone_needs_no_link_and_says_where_it_wrote(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "here.json"
    finished = partway("plan", path, "--measure-only", "-o", file)
    assert "(device alone)" in finished.out
    assert f"written {file}" in finished.text
    document = partway("plan", path, "--measure-only", "--json").document
    assert document["cuts"][-1]["crossing"] == []
    assert document["cuts"][-1]["tail_s"] == 0


def test_a_plan_is_written_as_a_document(partway: Command, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert f"written {file}" in partway("plan", multi_io_model(tmp_path), *LINK, "-o", file).text
    plan = read_document(file, PlanDocument)
    assert plan.costs[0].crossing == ("a", "b", "late")
    assert not plan.costs[-1].offloaded
    assert plan.created_from == "device: measured on this machine; server: measured on this machine"


def test_rows_are_limited_but_for_the_extremes(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    everything = partway("plan", path, *LINK, "--codec", "raw", "--top", "0").out
    little = partway("plan", path, *LINK, "--codec", "raw", "--top", "1").out
    assert "10 of 10 cuts" in everything
    assert "2 of 10 cuts" in little
    assert "(server alone)" in little


def test_a_trace_says_for_how_long_each_cut_is_the_best(partway: Command, tmp_path: Path) -> None:
    path, trace, file = chain_model(tmp_path), tmp_path / "drive.csv", tmp_path / "m.json"
    trace.write_text("t_s,mbps\n0,0.05\n1,1000000\n4,0.05\n")
    partway("plan", path, "--measure-only", "-o", file)
    measured = json.loads(file.read_text())
    for cut in measured["cuts"]:
        cut["head"] = cut["head"] and cut["head"] | {"median_s": 0.01}
        cut["tail"] = cut["tail"] and cut["tail"] | {"median_s": 0.001}
    file.write_text(json.dumps(measured))
    words = ("plan", path, "--link", trace, "--device", file, "--server", file)
    document = partway(*words, "--json").document
    assert [entry["crossing"] for entry in document["best_over_time"]] == [[], ["image"]]
    assert [entry["share"] for entry in document["best_over_time"]] == pytest.approx([4 / 7, 3 / 7])
    assert document["conditions"]["uplink_bytes_per_s"] == pytest.approx((3e12 + 4 * 0.05e6) / 7 / 8)
    finished = partway(*words)
    assert "While the link varies" in finished.out
    assert "at its mean" in finished.out


def test_a_disturbed_measurement_is_noted(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "m.json"
    partway("plan", path, "--measure-only", "-o", file)
    calm = json.loads(file.read_text()) | {"busy_share": 0.0}
    for busy_share, noted in ((0.0, False), (0.4, True)):
        file.write_text(json.dumps(calm | {"busy_share": busy_share}))
        finished = partway("plan", path, *LINK, "--device", file, "--server", file)
        assert ("other programs took up to 40%" in finished.out) is noted


def test_wrong_links_are_one_line(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    assert "--link lte" in complaint(partway, "plan", path)
    assert "'carrier-pigeon' is no link" in complaint(partway, "plan", path, "--link", "carrier-pigeon")
    assert "expected a CSV trace" in complaint(partway, "plan", path, "--link", tmp_path / "none.csv")
    assert "argument --queue-delay" in complaint(partway, "plan", path, *LINK, "--queue-delay", "5")
    assert "argument --slowdown" in complaint(partway, "plan", path, *LINK, "--slowdown", "0.5")


def test_wrong_documents_are_one_line(partway: Command, tmp_path: Path) -> None:
    path, plan, broken = chain_model(tmp_path), tmp_path / "plan.json", tmp_path / "broken.json"
    partway("plan", path, *LINK, "-o", plan)
    broken.write_text("[]")
    assert "'partway.plan' document; a 'partway.measurement'" in complaint(
        partway, "plan", path, *LINK, "--device", plan
    )
    assert "is not a Partway document" in complaint(partway, "plan", path, *LINK, "--server", broken)
    assert "cannot read" in complaint(partway, "plan", path, *LINK, "--device", tmp_path / "none.json")


def test_a_measurement_of_another_model_is_refused(partway: Command, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    partway("plan", diamond_model(tmp_path), "--measure-only", "-o", file)
    words = ("plan", chain_model(tmp_path), *LINK, "--server", file)
    assert "the server's measurement is of the model sha256:" in complaint(partway, *words)


def test_a_measurement_of_none_of_the_cuts_is_refused(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "m.json"
    partway("plan", path, "--measure-only", "-o", file)
    measurement = read_document(file, Measurement)
    stripped = {name: getattr(measurement, name) for name in ("model", "binding", "environment", "busy_share")}
    write_document(file, Measurement(**stripped, cuts=()))
    assert "none of the cuts" in complaint(partway, "plan", path, *LINK, "--device", file, "--server", file)


def test_outputs_that_cannot_be_written_are_refused_before_anything_is_measured(
    partway: Command, tmp_path: Path, cache: Path
) -> None:
    path = chain_model(tmp_path)
    assert "there is no folder" in complaint(partway, "plan", path, *LINK, "-o", tmp_path / "none" / "plan.json")
    assert "it is a folder" in complaint(partway, "plan", path, *LINK, "-o", tmp_path)
    assert not cache.exists()


def test_measuring_alone_takes_no_files(partway: Command, tmp_path: Path) -> None:
    words = ("plan", chain_model(tmp_path), "--measure-only", "--device", tmp_path / "x.json")
    assert "leave --device and --server out" in complaint(partway, *words)


def test_what_is_measured_later_is_kept_in_its_place(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "measured.json"
    partway("plan", path, "--measure-only")
    partway("plan", path, "--measure-only", "--all-cuts", "-o", file)
    crossing = [timing.crossing for timing in read_document(file, Measurement).cuts]
    source = Source.open(path)
    model = canonicalise(source, source.bind(), OrtRuntime())
    order = [cut.crossing for cut in single_tensor_cuts(model)]
    assert crossing == [*order, ()]


def test_an_emulated_device_is_labelled_in_a_matrix(partway: Command, tmp_path: Path) -> None:
    words = ("plan", chain_model(tmp_path), "--link", "lte", "--link", "wifi", "--device-slowdown", "8")
    assert "this machine, EMULATED 8x slower" in partway(*words).text
    cells = partway(*words, "--json").document["matrix"]
    assert {(cell["device_emulated_slowdown"], cell["server_emulated_slowdown"]) for cell in cells} == {(8.0, 1.0)}
