"""Objectives and constraints of `partway plan`, on machines of stated speed."""

from pathlib import Path

import pytest
from tests.cli.conftest import Command, Finished
from tests.cli.machines import pair
from tests.cli.test_main import complaint
from tests.models import chain_model, multi_io_model

from partway.cli import plan_goal
from partway.documents import read_document
from partway.planning import PlanDocument

# The chain's nine layers take 10 ms each on the device and 1 ms on the server; 8 kB/s each way.
LINK = ("--link", "up=64kbit/s,down=64kbit/s,rtt=2ms")
POWER = ("--device-power", "idle=1W,active=5W", "--radio", "tx=1.2W,rx=1W,idle=0.5W")

Words = tuple[object, ...]


@pytest.fixture
def words(tmp_path: Path) -> Words:
    path = chain_model(tmp_path)
    return ("plan", path, *pair(path), *LINK)


@pytest.fixture
def ports(tmp_path: Path) -> Words:
    path = multi_io_model(tmp_path)
    return ("plan", path, *pair(path), *LINK)


def best(finished: Finished) -> list[str]:
    crossing: list[str] = finished.document["best"]["crossing"]
    return crossing


def sent(finished: Finished) -> list[list[str]]:
    return [cut["crossing"] for cut in finished.document["cuts"]]


# --- objectives ---------------------------------------------------------------------------------------------


def test_latency_is_the_objective_by_default(partway: Command, words: Words) -> None:
    document = partway(*words, "--json").document
    assert (document["objective"], document["charge"]) == ("latency", None)
    assert document["best"]["crossing"] == ["mean"]
    assert document["best"]["value"] == document["best"]["latency_s"] == pytest.approx(0.0755)


def test_energy_prefers_waiting_to_computing(partway: Command, words: Words) -> None:
    document = partway(*words, *POWER, "--objective", "energy", "--json").document
    assert document["best"]["crossing"] == ["image"]
    joules = [cut["energy_j"] for cut in document["cuts"]]
    assert joules == sorted(joules)
    assert document["best"]["value"] == document["best"]["energy_j"]
    text = partway(*words, *POWER, "--objective", "energy").text
    assert "best server alone with 233 mJ in 110 ms; device alone with 450 mJ in 90 ms" in text


def test_the_least_energy_within_a_deadline_is_that_of_a_cut_that_meets_it(partway: Command, words: Words) -> None:
    within = ("--objective", "energy", "--deadline", "107ms")
    document = partway(*words, *POWER, *within, "--json").document
    assert document["best"]["crossing"] == ["pool1"]
    assert document["constraints"]["deadline_s"] == pytest.approx(0.107)
    assert document["search"]["gap"] >= 0
    for cut in document["cuts"]:
        assert cut["feasible"] == (cut["latency_s"] <= 0.107) == (cut["misses"] == [])
    finished = partway(*words, *POWER, *within)
    assert "! misses what must hold" in finished.out
    assert "server alone with 233 mJ in 110 ms, which misses what must hold" in finished.text
    assert "the best of all is here better by" in finished.text


def test_a_full_battery_asks_for_latency_and_an_empty_one_for_energy(partway: Command, words: Words) -> None:
    balanced = (*words, *POWER, "--objective", "balanced", "--json", "--battery")
    full, half, empty = (partway(*balanced, charge).document for charge in ("100%", "50%", "1%"))
    assert full["best"]["crossing"] == ["mean"]
    assert empty["best"]["crossing"] == ["image"]
    assert (full["charge"], empty["charge"]) == (1.0, 0.01)
    assert full["best"]["value"] == full["best"]["latency_s"]
    # At half charge the device's own run counts its joules, 0.45, as much as its seconds, 0.09.
    for cut in half["cuts"]:
        assert cut["value"] == pytest.approx(cut["latency_s"] + 0.2 * cut["energy_j"])
    assert "with 1% of the battery left" in partway(*balanced[:-2], "--battery", "1%").text


def test_what_a_joule_is_worth_can_be_said(partway: Command, words: Words, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    balanced = ("--objective", "balanced", "--battery", "50%", "--seconds-per-joule", "3")
    document = partway(*words, *POWER, *balanced, "--json", "-o", file).document
    for cut in document["cuts"]:
        assert cut["value"] == pytest.approx(cut["latency_s"] + 3 * cut["energy_j"])
    assert read_document(file, PlanDocument).seconds_per_joule == 3


def test_the_battery_is_read_from_this_machine_where_nothing_is_said(
    partway: Command, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    balanced = (*words, *POWER, "--objective", "balanced")
    monkeypatch.setattr(plan_goal, "read_charge", lambda: 0.25)
    assert partway(*balanced, "--json").document["charge"] == 0.25
    monkeypatch.setattr(plan_goal, "read_charge", lambda: None)
    assert "this machine shows no battery; say what is left in the device's" in complaint(partway, *balanced)


def test_throughput_is_bound_by_the_slowest_stage_and_says_what_it_gives_up(partway: Command, words: Words) -> None:
    link = ("--link", "up=64kbit/s,down=64kbit/s,rtt=200ms")
    stream = (*words[:-2], *link, "--objective", "throughput")
    document = partway(*stream, "--json").document
    for cut in document["cuts"]:
        stages = {"device": "device_s", "uplink": "uplink_s", "server": "server_s", "downlink": "downlink_s"}
        slowest = max(cut[key] for key in stages.values())
        assert cut["value"] == pytest.approx(slowest)
        assert cut["inputs_per_s"] == pytest.approx(1 / slowest)
        assert cut[stages[cut["slowest"]]] == pytest.approx(slowest)
    assert document["best"]["crossing"] == ["mean"]
    assert document["search"]["gap"] >= 0
    finished = partway(*stream)
    assert "bound by" in finished.out
    # The device alone answers in 90 ms.
    assert "best mean at 16.7 inputs/s, each in 274 ms, 184 ms more than at the fastest cut" in finished.text


def test_a_stream_compares_itself_with_the_fastest_cut_that_is_allowed(partway: Command, words: Words) -> None:
    link = ("--link", "up=64kbit/s,down=64kbit/s,rtt=200ms")
    text = partway(*words[:-2], *link, "--objective", "throughput", "--on-server", "Softmax_scores").text
    assert "best mean at 16.7 inputs/s, each in 274 ms" in text


# --- constraints --------------------------------------------------------------------------------------------


def test_raw_inputs_stay_on_the_device(partway: Command, words: Words, ports: Words) -> None:
    for name in ("inputs", "image"):
        finished = partway(*words, "--keep-on-device", name, "--json")
        assert ["image"] not in sent(finished)
        assert ["conv1"] in sent(finished)
    assert sent(partway(*ports, "--keep-on-device", "inputs", "--json")) == [["hidden"], []]


def test_one_of_several_inputs_stays_while_others_may_leave(partway: Command, ports: Words) -> None:
    crossings = sent(partway(*ports, "--keep-on-device", "a", "--json"))
    assert all("a" not in crossing for crossing in crossings)
    assert any("b" in crossing for crossing in crossings)
    assert any("late" in crossing for crossing in crossings)


def test_nothing_before_a_kept_layer_leaves_but_what_it_makes_may(partway: Command, words: Words) -> None:
    crossings = sent(partway(*words, "--keep-on-device", "MaxPool_pool1", "--json"))
    assert all(name not in crossing for crossing in crossings for name in ("image", "conv1", "relu1"))
    assert ["pool1"] in crossings
    assert sent(partway(*words, "--keep-on-device", "pool1", "--json")) == crossings


def test_layers_of_the_server_rule_later_cuts_and_the_device_alone_out(partway: Command, words: Words) -> None:
    assert sorted(sent(partway(*words, "--on-server", "MaxPool_pool1", "--json"))) == [["conv1"], ["image"], ["relu1"]]
    both = ("--keep-on-device", "inputs", "--on-server", "Conv_conv2")
    assert sorted(sent(partway(*words, *both, "--json"))) == [["conv1"], ["pool1"], ["relu1"]]


def test_only_device_alone_is_left_where_nothing_may_leave(partway: Command, words: Words) -> None:
    finished = partway(*words, "--keep-on-device", "Softmax_scores")
    assert "1 of 1 cuts" in finished.out
    assert "best device alone in 90 ms" in finished.text


def test_bytes_of_a_request_are_limited(partway: Command, words: Words) -> None:
    document = partway(*words, "--max-upload", "60B", "--json").document
    assert document["best"]["crossing"] == ["logits"]
    for cut in document["cuts"]:
        assert cut["feasible"] == (cut["up_bytes"] <= 60)
    assert best(partway(*words, "--max-upload", "0B", "--json")) == []


def test_memory_of_the_head_is_limited(partway: Command, words: Words) -> None:
    document = partway(*words, "--device-memory", "800B", "--json").document
    assert document["best"]["crossing"] == ["image"]
    for cut in document["cuts"]:
        assert cut["feasible"] == (cut["device_bytes"] <= 800)
    text = partway(*words, "--device-memory", "800B").text
    assert "best server alone in 110 ms; device alone in 90 ms, which misses what must hold" in text


def test_joules_are_limited(partway: Command, words: Words) -> None:
    document = partway(*words, *POWER, "--max-energy", "0.31J", "--json").document
    assert document["best"]["crossing"] == ["pool1"]
    for cut in document["cuts"]:
        assert cut["feasible"] == (cut["energy_j"] <= 0.31)
    text = partway(*words, *POWER, "--max-energy", "0.31J").text
    assert "least energy server alone with 233 mJ" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--deadline", "50ms"), "at mean, takes 75.5 ms, 25.5 ms over the deadline of 50 ms: loosen the deadline to"),
        (("--max-energy", "0.1J", *POWER), "at image, costs 233 mJ, 133 mJ over the energy budget of 100 mJ: loosen"),
        (("--device-memory", "100B"), "at image, needs 768 B, 668 B over the limit on the device's memory of 100 B"),
        (("--max-upload", "1B", "--on-server", "Softmax_scores"), "at logits, sends 20 B, 19 B over the limit on the"),
        (("--deadline", "50ms", "--objective", "throughput"), "at mean, takes 75.5 ms"),
        (("--deadline", "50ms", "--max-upload", "10B"), "device alone, takes 90 ms"),
    ],
)
def test_where_nothing_fits_the_nearest_miss_is_named(
    partway: Command, words: Words, options: Words, message: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    written = ("-o", tmp_path / "plan.json", "--plot", tmp_path / "plan.svg", "--html", tmp_path / "plan.html")
    for more in ((), ("--json",), written):
        line = complaint(partway, *words, *options, *more)
        assert line.startswith("partway: no cut keeps to the constraints; the nearest, the ")
        assert message in line
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in before} <= {"cache"}


def test_what_is_said_to_be_enough_is_enough(partway: Command, words: Words) -> None:
    link = ("--link", "up=64kbit/s,down=64kbit/s,rtt=2.34567ms")
    line = complaint(partway, *words[:-2], *link, "--deadline", "50ms")
    assert partway(*words[:-2], *link, "--deadline", line.rpartition(" to ")[2].strip().replace(" ", "")).status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--keep-on-device", "Conv_conv"), "did you mean Conv_conv2 or Conv_conv1"),
        (("--keep-on-device", "imagine"), "did you mean image"),
        (("--on-server", "Gemm_logit"), "did you mean Gemm_logits"),
        (("--on-server", "zzzzzz"), "`partway inspect` lists layers and tensors"),
        (("--on-server", "image"), "is an input, which no layer makes"),
        (("--on-server", ""), "is no layer, tensor or input of the model"),
        (("--keep-on-device", "pool1", "--on-server", "Conv_conv1"), "the device never waits for the server"),
        (("--keep-on-device", "pool1", "--on-server", "pool1"), "give up one of the two"),
    ],
)
def test_names_that_cannot_be_meant_are_one_line(partway: Command, words: Words, options: Words, message: str) -> None:
    assert message in complaint(partway, *words, *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--battery", "20%"), "--battery is for --objective balanced"),
        (("--seconds-per-joule", "1"), "--seconds-per-joule is for --objective balanced"),
        (("--objective", "balanced", "--battery", "0%", *POWER), "--battery is 0; expected above 0 and at most 100%"),
        (("--objective", "balanced", "--battery", "120%", *POWER), "--battery is 1.2; expected above 0"),
        (("--objective", "balanced", "--battery", "20%"), "the objective balanced needs joules"),
        (("--objective", "balanced", "--seconds-per-joule", "0"), "'0' is no worth of a joule"),
        (("--objective", "balanced", "--seconds-per-joule", "nan"), "'nan' is no worth of a joule"),
        (("--objective", "energy"), "the objective energy needs joules"),
        (("--max-energy", "1J"), "an energy budget needs joules"),
        (("--objective", "speed"), "invalid choice: 'speed'"),
        (("--deadline", "0ms"), "--deadline is 0, which no cut keeps to"),
        (("--max-energy", "0J"), "--max-energy is 0, which no cut keeps to"),
        (("--device-memory", "0B"), "--device-memory is 0, which no cut keeps to"),
        (("--device-memory", "0.5B"), "--device-memory is 0, which no cut keeps to"),
        (("--deadline", "80"), "argument --deadline: '80' is not a duration"),
        (("--max-upload", "many"), "argument --max-upload: 'many' is not a size"),
    ],
)
def test_wishes_that_make_no_sense_are_one_line(partway: Command, words: Words, options: Words, message: str) -> None:
    assert message in complaint(partway, *words, *options)


# --- over time ----------------------------------------------------------------------------------------------


@pytest.fixture
def drive(tmp_path: Path, words: Words) -> Words:
    """Over a link that is slow for two seconds of five."""
    trace = tmp_path / "drive.csv"
    trace.write_text("t_s,mbps\n0,0.064\n2,100\n5,0.064\n")
    return (*words[:-2], "--link", trace)


def shares(document: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return {", ".join(map(str, entry["crossing"])): entry["share"] for entry in document["best_over_time"]}  # type: ignore[call-overload]  # JSON


def test_over_a_trace_shares_are_those_of_the_objective(partway: Command, drive: Words) -> None:
    # A last step lasts as long as the one before it: 3 s of 8 are fast.
    latency = shares(partway(*drive, "--json").document)
    assert latency == {"mean": pytest.approx(5 / 8), "image": pytest.approx(3 / 8)}
    energy = partway(*drive, *POWER, "--objective", "energy", "--json").document
    assert shares(energy) == {"image": pytest.approx(1.0)}
    stream = partway(*drive, "--objective", "throughput", "--json").document
    assert shares(stream) == {"mean": pytest.approx(5 / 8), "image": pytest.approx(3 / 8)}


def test_over_a_trace_stretches_in_which_nothing_fits_have_no_share(partway: Command, drive: Words) -> None:
    document = partway(*drive, "--deadline", "50ms", "--json").document
    assert shares(document) == {"image": pytest.approx(3 / 8)}
    assert "38%" in partway(*drive, "--deadline", "50ms").text


# --- how much is shown --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "shown"), [(0, 10), (1, 3), (3, 5), (12, 10), (99, 10)])
def test_the_best_are_shown_and_the_extremes_always(partway: Command, words: Words, top: int, shown: int) -> None:
    finished = partway(*words, "--top", top)
    assert f"{shown} of 10 cuts" in finished.out
    assert "(device alone)" in finished.out
    assert "(server alone)" in finished.out
    assert len(partway(*words, "--top", top, "--json").document["cuts"]) == 10


@pytest.mark.parametrize(
    ("more", "proof"),
    [
        ((), "within 0.1% of the best"),
        (("--objective", "throughput"), "the best of all is here better by"),
        (("--max-upload", "1MB"), "for these limits no bound is known"),
        (("--deadline", "10s"), "for these limits no bound is known"),
    ],
)
def test_what_is_proven_is_said_and_no_more(partway: Command, words: Words, more: Words, proof: str) -> None:
    text = partway(*words, *more).text
    proofs = (
        "within 0.1% of the best",
        "the best of all is here better by",
        "for these limits no bound is known",
    )
    assert [known for known in proofs if known in text] == [proof]
