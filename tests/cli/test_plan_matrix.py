"""What if: every combination of links, devices and servers at once."""

from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.machines import machine, pair
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model

SLOW, FAST = "up=64kbit/s,down=64kbit/s,rtt=2ms", "up=80Mbit/s,down=80Mbit/s,rtt=1ms"

Words = tuple[object, ...]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return chain_model(tmp_path)


@pytest.fixture
def machines(path: Path, tmp_path: Path) -> Words:
    """Two devices, of 10 ms and of 0.1 ms a layer, and two servers, of 1 ms and of 20 ms."""
    speeds = {"phone": 0.010, "laptop": 0.0001, "rack": 0.001, "heap": 0.020}
    files = {name: machine(path, tmp_path / f"{name}.json", layer_s=layer_s) for name, layer_s in speeds.items()}
    devices = ("--device", files["phone"], "--device", files["laptop"])
    return (*devices, "--server", files["rack"], "--server", files["heap"])


def test_every_combination_has_its_best(partway: Command, path: Path, machines: Words) -> None:
    document = partway("plan", path, *machines, "--link", SLOW, "--link", FAST, "--json").document
    assert (document["model"], document["objective"]) == (str(path), "latency")
    found = {
        (Path(entry["device"]).stem, Path(entry["server"]).stem, entry["link"]): entry["best"]["crossing"]
        for entry in document["matrix"]
    }
    assert found == {
        ("phone", "rack", SLOW): ["mean"],
        ("phone", "rack", FAST): ["image"],
        ("phone", "heap", SLOW): [],
        ("phone", "heap", FAST): [],
        ("laptop", "rack", SLOW): [],
        ("laptop", "rack", FAST): [],
        ("laptop", "heap", SLOW): [],
        ("laptop", "heap", FAST): [],
    }
    assert all(entry["nearest"] is None for entry in document["matrix"])


def test_each_cell_is_what_its_own_plan_says(partway: Command, path: Path, machines: Words) -> None:
    links = (SLOW, FAST)
    document = partway("plan", path, *machines, "--link", SLOW, "--link", FAST, "--json").document
    device, server = machines[1], machines[5]
    cells = [entry for entry in document["matrix"] if (entry["device"], entry["server"]) == (str(device), str(server))]
    for link, cell in zip(links, cells, strict=True):
        alone = partway("plan", path, "--device", device, "--server", server, "--link", link, "--json").document
        assert cell["best"] == alone["best"]


def test_the_table_has_a_row_for_each_pair_and_a_column_for_each_link(
    partway: Command, path: Path, machines: Words
) -> None:
    finished = partway("plan", path, *machines, "--link", "lte", "--link", "wifi")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert lines[0] == "The best cut by latency"
    assert lines[1].split() == ["device", "server", "lte", "wifi"]
    rows = [line.split()[:2] for line in lines if ".json" in line]
    assert rows == [
        [f"{device}.json", f"{server}.json"] for device in ("phone", "laptop") for server in ("rack", "heap")
    ]
    assert finished.text.count("device alone in ") >= 6
    assert f"model {path}" in finished.text


def test_files_of_one_name_are_told_apart_by_their_folders(partway: Command, path: Path, tmp_path: Path) -> None:
    files = []
    for folder, layer_s in (("a", 0.010), ("b", 0.020)):
        (tmp_path / folder).mkdir()
        files.append(machine(path, tmp_path / folder / "pi.json", layer_s=layer_s))
    words = ("--device", files[0], "--device", files[1], "--server", files[1], "--link", "lte")
    finished = partway("plan", path, *words)
    assert all(str(file) in finished.out for file in files)


def test_this_machine_is_named_where_no_file_is(partway: Command, path: Path) -> None:
    document = partway("plan", path, "--link", SLOW, "--link", FAST, "--codec", "raw", "--json").document
    assert {(entry["device"], entry["server"]) for entry in document["matrix"]} == {("this machine", "this machine")}


def test_a_cell_in_which_nothing_fits_says_why_and_the_others_are_there(
    partway: Command, path: Path, machines: Words
) -> None:
    deadline = (*machines[4:6], "--deadline", "50ms")
    finished = partway("plan", path, *machines[:4], "--link", SLOW, *deadline)
    assert finished.status == 0
    assert "none: mean takes 75.5 ms, 25.5 ms over the deadline of 50 ms" in finished.text
    assert "device alone in 900 µs" in finished.text
    words = ("plan", path, *machines[:2], "--link", SLOW, "--link", FAST, *deadline)
    slow, fast = partway(*words, "--json").document["matrix"]
    assert slow["best"] is None
    assert slow["nearest"]["crossing"] == ["mean"]
    assert slow["nearest"]["misses"] == ["takes 75.5 ms, 25.5 ms over the deadline of 50 ms"]
    assert fast["best"]["crossing"] == ["image"]
    assert fast["nearest"] is None


def test_cells_are_by_the_objective(partway: Command, path: Path, machines: Words) -> None:
    words = ("plan", path, *machines[:2], *machines[4:6], "--link", "lte", "--link", "wifi")
    power = ("--device-power", "idle=1W,active=5W")
    energy = partway(*words, *power, "--objective", "energy")
    assert energy.out.startswith("The best cut by energy")
    assert " J in " in energy.text or " mJ in " in energy.text
    stream = partway(*words, "--objective", "throughput")
    assert " inputs/s, each in " in stream.text


def test_each_link_has_the_joules_of_its_own_radio(partway: Command, path: Path, machines: Words) -> None:
    words = ("plan", path, *machines[:2], *machines[4:6], "--device-power", "idle=1W,active=5W", "--json")
    links = ("3g", "lte", "wifi")
    named = [word for link in links for word in ("--link", link)]
    document = partway(*words, *named, "--objective", "energy").document
    for link, cell in zip(links, document["matrix"], strict=True):
        alone = partway(*words, "--link", link, "--objective", "energy").document
        assert cell["best"]["energy_j"] == pytest.approx(alone["best"]["energy_j"])


def test_a_trace_is_taken_at_its_mean(partway: Command, path: Path, machines: Words, tmp_path: Path) -> None:
    trace = tmp_path / "drive.csv"
    trace.write_text("t_s,mbps\n0,0.064\n2,100\n5,0.064\n")
    assert "(mean)" in partway("plan", path, *machines, "--link", SLOW, "--link", trace).out


def test_profiles_and_measurements_mix(partway: Command, path: Path, machines: Words, tmp_path: Path) -> None:
    profile = stored(profile_of(path, kernel_s=0.010), tmp_path)
    words = ("plan", path, *machines[:2], "--device", profile, *machines[4:6], "--link", SLOW, "--threads", "1")
    measured, predicted = partway(*words, "--json").document["matrix"]
    assert (measured["best"]["how"], predicted["best"]["how"]) == ("measured", "predicted")


def test_what_is_named_twice_is_planned_once(partway: Command, path: Path) -> None:
    words = ("plan", path, *pair(path), "--link", SLOW)
    again = partway(*words, *words[2:], "--json").document
    assert again["cuts"] == partway(*words, "--json").document["cuts"]


@pytest.mark.parametrize("option", ["-o", "--plot", "--html"])
@pytest.mark.parametrize("several", ["links", "machines"])
def test_a_file_holds_one_plan(
    partway: Command, path: Path, machines: Words, option: str, several: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.svg"
    asked = ("--link", SLOW, "--link", FAST) if several == "links" else (*machines, "--link", SLOW)
    line = complaint(partway, "plan", path, *asked, option, file)
    assert f"{option} writes one plan, and several links or machines were given; name one of each" in line
    assert not file.exists()


def test_a_document_that_cannot_be_used_is_one_line(partway: Command, path: Path, machines: Words) -> None:
    words = ("plan", path, *machines, "--link", SLOW, "--device", path.parent / "none.json")
    assert "cannot read" in complaint(partway, *words)
