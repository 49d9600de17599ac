from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from tests.reporting.plan_views import chain_costs, view_of

from partway.errors import DocumentError
from partway.planning import Constraints, Goal
from partway.reporting.plan_figures import draw_plan
from partway.reporting.plan_view import PlanView

pytest.importorskip("matplotlib")


def texts(view: PlanView, path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that is written in a figure."""
    import matplotlib as mpl  # noqa: PLC0415 - only where it is installed

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    draw_plan(view, path / "plan.svg")
    return "\n".join(ET.parse(path / "plan.svg").getroot().itertext())


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".SVG", b"<?xml"), (".pdf", b"%PDF")])
def test_the_file_is_what_its_name_says(tmp_path: Path, suffix: str, begins: bytes) -> None:
    path = tmp_path / f"plan{suffix}"
    draw_plan(view_of(chain_costs(8), layers=8), path)
    assert path.read_bytes().startswith(begins)


def test_it_says_the_link_the_machines_the_best_and_the_extremes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = texts(view_of(chain_costs(8), layers=8, device="Pencil, EMULATED 8x slower"), tmp_path, monkeypatch)
    for text in ("chain over LTE", "up 5.85 Mbit/s", "device: Pencil, EMULATED 8x slower", "server: Desk"):
        assert text in found
    assert "best: …layer4…" in found
    assert "device alone 600 ms" in found
    assert "all 9 cuts" in found
    for axis in ("compute on the device", "size of the output", "latency", "energy of the device"):
        assert axis in found


def test_emulated_sides_are_named_where_the_plan_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of(chain_costs(4))
    fields = {name: getattr(view, name) for name in PlanView.__slots__}
    found = texts(PlanView(**fields | {"emulated": ("device EMULATED 8x slower",)}), tmp_path, monkeypatch)
    assert "device EMULATED 8x slower" in found


def test_what_is_not_known_leaves_no_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(view_of(chain_costs(8, joules=False), power=None), tmp_path, monkeypatch)
    assert "energy" not in found
    assert "compute" not in found
    assert "up 5.85 Mbit/s" in found


def test_of_many_cuts_some_are_shown_and_the_axis_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = texts(view_of(chain_costs(119), layers=400), tmp_path, monkeypatch)
    assert "60 of 120 cuts" in found
    assert "(server alone)" in found
    assert "(device alone)" in found
    assert "400, one in 6 is named" in found


def test_a_cut_is_shown_once_with_the_fastest_codec_that_it_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = chain_costs(4)
    squeezed = msgspec.structs.replace(costs[2], codec="int8", up_bytes=costs[2].up_bytes // 4, error=0.01)
    costs.insert(3, squeezed)
    lossless = texts(view_of(costs), tmp_path, monkeypatch)
    lossy = texts(view_of(costs, goal=Goal(constraints=Constraints(max_error=0.05))), tmp_path, monkeypatch)
    assert "as int8" not in lossless
    assert "…layer2… as int8" in lossy
    assert "5 of 6 cuts" in lossy


def test_dollars_in_names_are_no_mathematics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = chain_costs(3, names=("$a_$", "b"))
    assert "$a_$" in texts(view_of(costs), tmp_path, monkeypatch)


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "plan.png").mkdir()
    with pytest.raises(DocumentError, match="cannot write"):
        draw_plan(view_of(chain_costs(3)), tmp_path / "plan.png")
