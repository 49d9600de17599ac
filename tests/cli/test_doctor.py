from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.profiling.power.trees import (
    battery,
    intel_laptop,
    jetson_orin_nano,
    mains,
    plant,
    rapl_zone,
    virtual_machine,
)

from partway.cli import doctor
from partway.errors import PartwayError
from partway.profiling.power import Meter
from partway.profiling.quiet import Noise

CPUS = "sys/devices/system/cpu"
QUIET = Noise(span_s=0.5, waiting_share=0.0, spread=0.01, others_share=0.0, stolen_share=0.0)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of which the kernel says nothing, yet."""
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    noise_is(monkeypatch, QUIET)
    return tmp_path


def noise_is(monkeypatch: pytest.MonkeyPatch, noise: Noise) -> None:
    monkeypatch.setattr(doctor, "check_noise", lambda _root: noise)


def test_this_machine_gets_a_table_and_status_0(partway: Command) -> None:
    finished = partway("doctor")
    assert (finished.status, finished.err) == (0, "")
    for topic in ("processor", "memory", "runtime", "energy", "quiet"):
        assert f"\n{topic} " in finished.out
    assert "onnxruntime 1." in finished.out


def test_json_is_one_document_with_the_same_advice(partway: Command, root: Path) -> None:
    rapl_zone(root, "intel-rapl:0", "package-0", 5_000_000)
    document = partway("doctor", "--json").document
    assert document.keys() == {
        *("machine", "runtime", "providers", "meters", "obstacles", "constants", "noise", "advice"),
    }
    assert document["machine"]["logical_cores"] == 1
    (meter,) = document["meters"]
    assert meter == {
        "name": "rapl:package-0",
        "scope": "the processor package",
        "kind": "measured",
        "part_of": None,
        "resolution_s": 1e-3,
        "resolution_j": 61e-6,
        "power_w": None,
    }
    assert document["noise"]["quiet"] is True
    assert {"idle_w", "active_w", "source", "assumed"} <= document["constants"][0].keys()
    assert {advice["topic"] for advice in document["advice"]} >= {"energy", "quiet"}


def test_a_virtual_machine_is_told_what_it_hides(partway: Command, root: Path) -> None:
    virtual_machine(root)
    text = partway("doctor").text
    assert "others share its processor" in text
    assert "unknown: a virtual machine hides it" in text
    assert "none that can be used joules in plans come from constants: --device-power" in text


def test_meters_show_watts_and_how_long_to_measure(
    partway: Command, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = rapl_zone(root, "intel-rapl:0", "package-0", 5_000_000)

    def spend(_root: Path) -> Noise:
        (zone / "energy_uj").write_text("11000000\n")
        return QUIET

    monkeypatch.setattr(doctor, "check_noise", spend)
    text = partway("doctor").text
    assert "rapl:package-0 about 12 W now the processor package; within 5 % over 20 ms or more" in text
    assert "constants" not in text


def test_a_battery_shows_its_watts_though_it_takes_long_to_measure_with(partway: Command, root: Path) -> None:
    battery(root, power_now=9_000_000)
    text = partway("doctor").text
    assert "battery:BAT0" in text
    assert "within 5 % over 100 s or more" in text


def test_parts_of_other_meters_say_so(partway: Command, root: Path) -> None:
    jetson_orin_nano(root)
    text = partway("doctor").text
    assert "the whole module (rail VDD_IN)" in text
    assert "part of ina3221:board" in text


def test_obstacles_come_with_their_remedy(partway: Command, root: Path) -> None:
    battery(root, "Charging", power_now=1)
    mains(root, online=True)
    plant(root, "sys/bus/pci/devices/0000:01:00.0", {"vendor": "0x10de", "class": "0x030000"})
    text = partway("doctor").text
    assert "battery:BAT0 a battery that does not feed the device (Charging) unplug the device" in text
    assert "install the driver" in text
    assert "install onnxruntime-gpu" in text


@pytest.mark.parametrize("when", ["__enter__", "energy_j"])
def test_a_meter_that_fails_when_tried_is_an_obstacle(
    partway: Command, root: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    intel_laptop(root)

    def fail(_meter: Meter) -> None:
        raise PartwayError("it broke")

    monkeypatch.setattr(Meter, when, fail)
    document = partway("doctor", "--json").document
    assert document["meters"] == []
    assert {obstacle["remedy"] for obstacle in document["obstacles"]} == {"it broke"}


def test_noise_says_what_disturbs(partway: Command, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise_is(monkeypatch, Noise(span_s=0.5, waiting_share=0.3, spread=0.01, others_share=None, stolen_share=None))
    assert "work waited 30 % of the time for a core: stop what else runs" in partway("doctor").text


def test_shared_threads_containers_and_governors_are_explained(partway: Command, root: Path) -> None:
    plant(root, "proc/self", {"cgroup": "0::/", "status": "Cpus_allowed_list:\t0-1"})
    plant(root, "proc", {"cpuinfo": "flags\t: avx2 avx512_vnni", "meminfo": "MemTotal: 8000000 kB"})
    plant(root, "sys/fs/cgroup", {"cpu.max": "150000 100000", "memory.max": 1_000_000_000})
    plant(root, CPUS, {"online": "0-3"})
    for cpu in range(4):
        plant(root, f"{CPUS}/cpu{cpu}/topology", {"thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}"})
        files = {"cpuinfo_max_freq": 2_000_000, "scaling_cur_freq": 800_000, "scaling_governor": "schedutil"}
        plant(root, f"{CPUS}/cpu{cpu}/cpufreq", files)
    plant(root, f"{CPUS}/cpu0/cache/index0", {"level": 2, "size": "512K", "shared_cpu_list": "0,2"})
    text = partway("doctor").text
    assert "2 cores, 4 threads" in text
    assert "2 of 4" in text
    assert "1.5 cores' time a container's limit" in text
    assert "--threads 1" in text
    assert "up to 2.00 GHz, 0.80 now" in text
    assert "sudo cpupower frequency-set -g performance" in text
    assert "limit 1 GB" in text
    assert "L2 524 kB for 2 threads" in text
    assert "dot products of int8" in text


def test_cores_of_two_kinds_are_warned_of(partway: Command, root: Path) -> None:
    plant(root, "proc", {"cpuinfo": "Features\t: asimd"})
    plant(root, CPUS, {"online": "0-1"})
    for cpu, khz in enumerate((1_800_000, 2_400_000)):
        plant(root, f"{CPUS}/cpu{cpu}/cpufreq", {"cpuinfo_max_freq": khz, "scaling_governor": "performance"})
    text = partway("doctor").text
    assert "1 of 2 up to 2.40 GHz cores differ" in text
    assert "clocks stay up" in text
    assert "quantised models gain little" in text


def test_the_table_fits_a_terminal(partway: Command, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jetson_orin_nano(root)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    assert max(map(len, partway("doctor").out.splitlines())) <= 80
