"""Plans of machines that are known by their datasheets: by name, or by a file of one's own."""

from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from tests.cli.conftest import Command
from tests.cli.machines import machine as measured_machine
from tests.cli.test_main import complaint
from tests.models import chain_model, diamond_model
from tests.prediction.machines import machine

from partway.cli import plan_costs
from partway.documents import read_document, write_document
from partway.engine import OrtSession
from partway.link import NAMED_RADIOS
from partway.planning import PlanDocument
from partway.prediction.analytic import named_machine

LINK = ("--link", "paper-wifi")
NAMES = ("--device", "jetson-tk1-gpu", "--server", "tesla-k40")


def test_two_named_machines_make_a_plan_without_a_session_or_a_piece(
    partway: Command, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a plan of two datasheets ran or optimised the model")

    monkeypatch.setattr(OrtSession, "run", refuse)
    monkeypatch.setattr(plan_costs, "PieceStore", refuse)
    document = partway("plan", chain_model(tmp_path), *LINK, *NAMES, "--json").document
    assert (document["device_how"], document["server_how"]) == ("analytic", "analytic")
    assert {cut["how"] for cut in document["cuts"]} == {"analytic"}
    assert document["best"]["latency_spread_s"] is None
    assert not (cache / "measurements").exists()


def test_every_cut_adds_up_to_the_whole(partway: Command, tmp_path: Path) -> None:
    document = partway("plan", diamond_model(tmp_path), *LINK, *NAMES, "--json").document
    swapped = ("--device", "tesla-k40", "--server", "jetson-tk1-gpu")
    turned = partway("plan", diamond_model(tmp_path), *LINK, *swapped, "--json").document
    (alone,) = (cut for cut in document["cuts"] if not cut["offloaded"])
    heads = {tuple(cut["crossing"]): cut["device_s"] for cut in document["cuts"] if cut["offloaded"]}
    tails = {tuple(cut["crossing"]): cut["server_s"] for cut in turned["cuts"] if cut["offloaded"]}
    assert len(heads) > 2
    for crossing in heads.keys() & tails.keys():
        assert heads[crossing] + tails[crossing] == pytest.approx(alone["device_s"])


def test_the_table_says_that_costs_are_analytic_and_of_what(partway: Command, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    finished = partway("plan", chain_model(tmp_path), *LINK, *NAMES, "-o", file)
    assert "costs device analytic, server analytic; of the cuts 10 analytic" in finished.text
    assert "device jetson-tk1-gpu (Jetson TK1, its Kepler GPU of 192 cores; Caffe with cuDNN; analytic, not" in (
        finished.text
    )
    assert "the server's seconds are analytic: from the datasheet of tesla-k40 and stated assumptions" in finished.text
    plan = read_document(file, PlanDocument)
    assert plan.created_from == "device: jetson-tk1-gpu; server: tesla-k40"
    assert "analytic, not measured" in plan.server


def test_why_the_paper_s_joules_are_fewer_is_said_where_both_machines_are_analytic(
    partway: Command, tmp_path: Path
) -> None:
    said = "the device's idle 1.6 W count while it sends and waits"
    assert said in partway("plan", chain_model(tmp_path), *LINK, *NAMES, "--radio", "wifi").text
    assert "`partway reproduce` leaves them out" not in partway("plan", chain_model(tmp_path), "--link", "lte").text


def test_joules_come_from_the_datasheet_unless_the_user_knows_better(partway: Command, tmp_path: Path) -> None:
    words = ("plan", chain_model(tmp_path), *LINK, *NAMES, "--json")
    gpu = named_machine("jetson-tk1-gpu")
    assert gpu is not None
    assert gpu.power is not None
    given = ("--device-power", "idle=1W,active=5W")
    for more, active_w, idle_w in (((), gpu.power.active_w, gpu.power.idle_w), (given, 5.0, 1.0)):
        document = partway(*words, *more).document
        assert (document["energy"]["device_active_w"], document["energy"]["device_idle_w"]) == (active_w, idle_w)
        for cut in document["cuts"]:
            assert cut["energy_parts"]["device_j"] == pytest.approx(active_w * cut["device_s"])
    document = partway(*words).document
    assert document["energy"]["radio_source"] == NAMED_RADIOS["wifi"].source
    assert not document["energy"]["device_assumed"]
    (told,) = (note for note in document["notes"] if note.startswith("joules of the device"))
    assert "not metered: constant watts of jetson-tk1-gpu, active 8.7 W, idle 1.6 W (source: active: measured," in told
    assert not any("for its own joules give its profile" in note for note in document["notes"])


def test_a_machine_may_be_described_in_a_file_and_emulated_as_a_slower_one(partway: Command, tmp_path: Path) -> None:
    file, path = tmp_path / "board.json", chain_model(tmp_path)
    write_document(file, msgspec.structs.replace(machine(), active_w=None, idle_w=None))
    words = ("plan", path, *LINK, "--device", file, "--server", "tesla-k40")
    plain, slow = (partway(*words, *more, "--json").document for more in ((), ("--device-slowdown", "8")))
    seconds = {tuple(cut["crossing"]): cut["device_s"] for cut in plain["cuts"]}
    assert plain["device"] == "board (a test's; analytic, not measured)"
    assert plain["energy"] is None
    assert "EMULATED 8x slower" in slow["device"]
    for cut in slow["cuts"]:
        assert cut["device_s"] == pytest.approx(8 * seconds[tuple(cut["crossing"])])


def test_a_datasheet_and_a_measurement_mix(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    device = measured_machine(path, tmp_path / "device.json", layer_s=0.01)
    document = partway("plan", path, *LINK, "--device", device, "--server", "tesla-k40", "--json").document
    assert (document["device_how"], document["server_how"]) == ("measured", "analytic")
    assert {cut["how"] for cut in document["cuts"] if cut["offloaded"]} == {"analytic"}
    assert {cut["how"] for cut in document["cuts"] if not cut["offloaded"]} == {"measured"}


def test_names_make_rows_of_a_matrix(partway: Command, tmp_path: Path) -> None:
    words = ("plan", chain_model(tmp_path), *LINK, "--link", "paper-3g", *NAMES, "--device", "JETSON-TK1-CPU")
    document = partway(*words, "--json").document
    rows = [(cell["device"], cell["server"], cell["link"]) for cell in document["matrix"]]
    assert rows[0] == ("jetson-tk1-gpu", "tesla-k40", "paper-wifi")
    assert rows[-1] == ("JETSON-TK1-CPU", "tesla-k40", "paper-3g")
    assert "jetson-tk1-gpu tesla-k40" in partway(*words).text


def test_names_that_are_no_machine_and_verbs_that_cannot_use_one_are_one_line(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    known = "jetson-tk1-cpu, jetson-tk1-gpu, tesla-k40"
    unknown = complaint(partway, "plan", path, *LINK, "--device", "jetson-tk2", "--server", "tesla-k40")
    assert "there is no file jetson-tk2, nor a machine of that name; did you mean 'jetson-tk1-" in unknown
    assert f"write a file's path or one of {known}" in unknown
    layers_alone = "tesla-k40 is a machine that is known by its datasheet"
    assert layers_alone in complaint(partway, "evaluate", "tesla-k40", path)
    assert layers_alone in complaint(partway, "profile", "--compare", "tesla-k40", "tesla-k40")
    assert layers_alone in complaint(partway, "run", path, "--profile", "tesla-k40")
    file = tmp_path / "board.json"
    write_document(file, machine())
    assert "a 'partway.profile' document was expected" in complaint(partway, "evaluate", file, path)
