import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.simulation.scenarios import FLEET, STREAM, asking

from partway.errors import InputError
from partway.reporting import draw_simulation
from partway.simulation import answer, read_scenario

pytest.importorskip("matplotlib")


def texts(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that is written in a figure."""
    import matplotlib as mpl  # noqa: PLC0415 - only where it is installed

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    (folder / "scenario.toml").write_text(text)
    draw_simulation(folder / "figure.svg", answer(read_scenario(folder / "scenario.toml")))
    return "\n".join(ET.parse(folder / "figure.svg").getroot().itertext())


def test_latencies_stand_over_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(tmp_path, asking(STREAM, 'kind = "load"\nloads = [0.3, 0.9]'), monkeypatch)
    for words in ("a stream", "load", "mean", "95 % take at most", "20 ms", "50 ms"):
        assert words in found


def test_a_logarithmic_axis_has_ticks_to_read_between_powers_of_ten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = texts(tmp_path, asking(STREAM, 'kind = "load"\nloads = [0.3, 0.7]'), monkeypatch)
    assert len(re.findall(r"^[0-9.]+ ms$", found, re.MULTILINE)) > 1


def test_an_hour_shows_what_was_offloaded_in_per_cent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = (
        FLEET
        + 'changes = [{ from = "6s", link = "3g" }, { from = "12s", link = "up=20Mbit/s,down=56Mbit/s,rtt=10ms" }]\n'
    )
    found = texts(tmp_path, asking(hour, 'kind = "hour"'), monkeypatch)
    for words in ("bad links", "offloaded", "100 %"):
        assert words in found


def test_workers_stand_over_the_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(tmp_path, asking(FLEET, 'kind = "servers"\nmean = "150ms"\ndevices = [20, 60]'), monkeypatch)
    assert "workers for mean within 150 ms" in found
    assert "devices" in found
    assert "1.5" not in found.splitlines()


def test_a_point_shows_its_quantiles_and_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(tmp_path, asking(STREAM, 'kind = "throughput"\np95 = "80ms"'), monkeypatch)
    for words in ("median", "99 %", "target"):
        assert words in found


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text(STREAM)
    report = answer(read_scenario(tmp_path / "scenario.toml"))
    with pytest.raises(InputError, match="names no format"):
        draw_simulation(tmp_path / "figure.gif", report)
