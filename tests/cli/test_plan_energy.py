from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model

from partway.documents import read_document, write_document
from partway.link import NAMED_LINKS, NAMED_RADIOS
from partway.planning import PlanDocument
from partway.prediction.energy import FittedPower
from partway.prediction.profile import Profile

POWER = ("--device-power", "idle=1W,active=5W")
NAMELESS = ("--link", "up=8Mbit/s,down=8Mbit/s")


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return profile_of(chain_model(tmp_path))


@pytest.fixture
def words(tmp_path: Path, profile: Profile) -> tuple[object, ...]:
    file = stored(profile, tmp_path)
    return ("plan", chain_model(tmp_path), "--device", file, "--server", file)


def metered(words: tuple[object, ...], tmp_path: Path, profile: Profile) -> tuple[object, ...]:
    """The same words with a device whose profile has a meter's watts."""
    power = FittedPower(threads=1, meter="rapl:package-0", common_w=7.0, watts={}, samples=9, spread=0.1)
    file = tmp_path / "metered.json"
    write_document(file, msgspec.structs.replace(profile, powers=(power,)))
    place = words.index("--device") + 1
    return (*words[:place], file, *words[place + 1 :])


def test_joules_are_added_up_from_constants_and_the_radio_that_the_link_implies(
    partway: Command, words: tuple[object, ...]
) -> None:
    document = partway(*words, "--link", "lte", *POWER, "--json").document
    link, radio = NAMED_LINKS["lte"], NAMED_RADIOS["lte"]
    for cut in document["cuts"]:
        parts = cut["energy_parts"]
        assert cut["energy_j"] == pytest.approx(sum(parts.values()))
        assert parts["device_j"] == pytest.approx(5.0 * cut["device_s"])
        assert parts["uplink_j"] == pytest.approx((1.0 + radio.tx_w(link.uplink_bytes_per_s)) * cut["uplink_s"])
        assert (cut["device_j_how"], parts["tail_j"]) == ("constant", 0.0)
    assert document["energy"]["device_how"] == document["energy"]["radio_how"] == "constant"
    assert (document["energy"]["device_active_w"], document["energy"]["device_idle_w"]) == (5.0, 1.0)
    assert "the user" in document["energy"]["device_source"]
    assert document["energy"]["radio_source"] == radio.source


def test_constants_are_marked_with_their_source_in_every_output(
    partway: Command, tmp_path: Path, words: tuple[object, ...]
) -> None:
    file = tmp_path / "plan.json"
    more = ("--link", "wifi", "--device-power", "raspberry-pi-4", "--device-slowdown", "8")
    finished = partway(*words, *more, "-o", file)
    said = "not metered: constant watts of raspberry-pi-4, active 6.4 W, idle 2.7 W (source: Raspberry Pi Dramble"
    assert said in finished.text
    assert "EMULATED 8x slower at the same watts" in finished.text
    assert "joules of the radio: not metered: constants of a 2012 phone" in finished.text
    assert "energy" in finished.out.splitlines()[1]
    assert "least energy " in finished.text
    plan = read_document(file, PlanDocument)
    assert plan.device_energy is not None
    assert said in plan.device_energy
    assert {cost.device_j_how for cost in plan.costs} == {"constant"}
    document = partway(*words, *more, "--json").document
    assert any(said in note for note in document["notes"])


def test_a_meter_goes_before_constants_which_then_tell_of_waiting_alone(
    partway: Command, tmp_path: Path, words: tuple[object, ...], profile: Profile
) -> None:
    known = metered(words, tmp_path, profile)
    for more, idle_w, noted in (((), None, "count as 0"), (POWER, 1.0, "while it waits the device draws constant")):
        document = partway(*known, "--link", "lte", *more, "--json").document
        assert (document["energy"]["device_how"], document["energy"]["device_idle_w"]) == ("metered", idle_w)
        assert any("the meter rapl:package-0 of the device's profile" in note for note in document["notes"])
        assert any(noted in note for note in document["notes"])
        for cut in document["cuts"]:
            assert cut["energy_parts"]["device_j"] == pytest.approx(7.0 * cut["device_s"])
            assert cut["device_j_how"] == "metered"


def test_without_watts_nothing_is_said_of_joules(partway: Command, words: tuple[object, ...]) -> None:
    document = partway(*words, "--link", "lte", "--json").document
    assert document["energy"] is None
    assert {cut["energy_j"] for cut in document["cuts"]} == {None}
    assert "energy" not in partway(*words, "--link", "lte").out


def test_without_a_radio_only_the_device_alone_has_joules(partway: Command, words: tuple[object, ...]) -> None:
    document = partway(*words, *NAMELESS, *POWER, "--json").document
    for cut in document["cuts"]:
        assert (cut["energy_j"] is None) == cut["offloaded"]
    assert any("add --radio" in note for note in document["notes"])
    radio = ("--radio", "tx=1W,rx=1W,idle=0.5W")
    told = partway(*words, *NAMELESS, *POWER, *radio, "--json").document
    assert all(cut["energy_j"] > 0 for cut in told["cuts"])


def test_the_tail_is_charged_to_every_offloaded_request_on_demand(partway: Command, words: tuple[object, ...]) -> None:
    document = partway(*words, "--link", "lte", *POWER, "--tail", "--json").document
    for cut in document["cuts"]:
        expected_j = NAMED_RADIOS["lte"].tail_j if cut["offloaded"] else 0.0
        assert cut["energy_parts"]["tail_j"] == pytest.approx(expected_j)
    assert any("every offloaded request pays its tail, 12.3 J" in note for note in document["notes"])


def test_joules_come_with_measured_costs_too(partway: Command, tmp_path: Path) -> None:
    document = partway("plan", chain_model(tmp_path), "--link", "wifi", *POWER, "--json").document
    for cut in document["cuts"]:
        assert cut["energy_parts"]["device_j"] == pytest.approx(5.0 * cut["device_s"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--link", "lte", "--device-power", "toaster"), "argument --device-power: 'toaster' is no power"),
        (("--link", "lte", *POWER, "--radio", "5g"), "argument --radio: '5g' is no radio"),
        (("--link", "lte", "--radio", "wifi"), "--radio alone makes no joules"),
        (("--link", "lte", "--tail"), "--tail charges joules, and nothing says what the device draws"),
        ((*NAMELESS, *POWER, "--tail"), "--tail needs a radio"),
        ((*NAMELESS, *POWER, "--radio", "tx=1W,rx=1W,idle=1W", "--tail"), "the radio has none"),
        (("--radio", "lte", *POWER), "no link was given"),
    ],
)
def test_what_makes_no_joules_is_refused_before_anything_is_opened(
    partway: Command, words: tuple[object, ...], options: tuple[str, ...], message: str, cache: Path
) -> None:
    before = sorted(cache.rglob("*"))
    assert message in complaint(partway, *words, *options)
    assert sorted(cache.rglob("*")) == before
