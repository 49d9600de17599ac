"""What `partway plan` writes: figures, pages and documents, whole or not at all."""

import importlib.machinery
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.cli.conftest import Command
from tests.cli.machines import pair
from tests.cli.test_main import complaint
from tests.graph.support import save, value
from tests.models import chain_model

from partway.cli import plan_costs
from partway.documents import read_document
from partway.planning import PlanDocument

LINK = ("--link", "up=64kbit/s,down=64kbit/s,rtt=2ms")
POWER = ("--device-power", "idle=1W,active=5W", "--radio", "lte")

Words = tuple[object, ...]
needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")


@pytest.fixture
def words(tmp_path: Path) -> Words:
    path = chain_model(tmp_path)
    return ("plan", path, *pair(path), *LINK)


@needs_matplotlib
@pytest.mark.parametrize(("name", "start"), [("plan.png", b"\x89PNG"), ("plan.svg", b"<?xml"), ("plan.pdf", b"%PDF")])
def test_a_figure_is_drawn_in_the_format_of_its_name(
    partway: Command, words: Words, tmp_path: Path, name: str, start: bytes
) -> None:
    file = tmp_path / name
    assert f"written {file}" in partway(*words, "--plot", file).text
    assert file.read_bytes().startswith(start)


@needs_matplotlib
def test_a_figure_of_joules_is_another(partway: Command, words: Words, tmp_path: Path) -> None:
    plain, metered = tmp_path / "plain.svg", tmp_path / "metered.svg"
    partway(*words, "--plot", plain)
    partway(*words, *POWER, "--objective", "energy", "--plot", metered)
    assert "chain over up=64kbit/s" in plain.read_text()
    assert plain.read_text() != metered.read_text()


def test_a_page_is_written_with_its_title(partway: Command, words: Words, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    assert f"written {file}" in partway(*words, "--html", file).text
    page = file.read_text(encoding="utf-8")
    assert "<title>chain over up=64kbit/s,down=64kbit/s,rtt=2ms" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize(
    "options",
    [
        (*POWER, "--objective", "energy", "--deadline", "120ms"),
        (*POWER, "--objective", "balanced", "--battery", "20%"),
        ("--objective", "throughput"),
        ("--keep-on-device", "inputs", "--max-upload", "100B"),
        ("--codec", "int8", "--max-error", "5%"),
        ("--device-slowdown", "3"),
    ],
)
def test_every_kind_of_plan_can_be_shown(partway: Command, words: Words, options: Words, tmp_path: Path) -> None:
    files = (tmp_path / "plan.json", tmp_path / "plan.html")
    finished = partway(*words, *options, "-o", files[0], "--html", files[1])
    assert (finished.status, finished.err) == (0, "")
    assert all(file.stat().st_size > 0 for file in files)
    plan = read_document(files[0], PlanDocument)
    assert plan.choices


def test_a_page_of_a_trace_is_of_its_mean(partway: Command, words: Words, tmp_path: Path) -> None:
    trace, file = tmp_path / "drive.csv", tmp_path / "plan.html"
    trace.write_text("t_s,mbps\n0,0.064\n2,100\n5,0.064\n")
    assert partway(*words[:-2], "--link", trace, "--html", file).status == 0
    assert "drive.csv" in file.read_text(encoding="utf-8")


@needs_matplotlib
def test_one_command_writes_all_three_beside_json(partway: Command, words: Words, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("plan.json", "plan.svg", "plan.html")]
    document = partway(*words, "-o", files[0], "--plot", files[1], "--html", files[2], "--json").document
    assert document["best"]["crossing"] == ["mean"]
    assert all(file.exists() for file in files)


def test_nothing_is_written_where_nothing_fits(partway: Command, words: Words, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("plan.json", "plan.svg", "plan.html")]
    more = ("-o", files[0], "--plot", files[1], "--html", files[2])
    for limit in (("--deadline", "1ms"), ("--device-memory", "1B")):
        assert "no cut keeps to the constraints" in complaint(partway, *words, *limit, *more)
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("name", ["plan.txt", "plan", "plan.html", ".png"])
def test_figures_of_unknown_formats_are_refused_before_anything_is_done(
    partway: Command, words: Words, tmp_path: Path, cache: Path, name: str
) -> None:
    before = sorted(cache.rglob("*"))
    assert "names no format for a figure" in complaint(partway, *words, "--plot", tmp_path / name)
    assert sorted(cache.rglob("*")) == before


@pytest.mark.parametrize("option", ["--plot", "--html", "-o"])
def test_places_that_cannot_be_written_are_refused(partway: Command, words: Words, tmp_path: Path, option: str) -> None:
    assert "there is no folder" in complaint(partway, *words, option, tmp_path / "none" / "plan.svg")
    (tmp_path / "folder.svg").mkdir()
    assert "it is a folder" in complaint(partway, *words, option, tmp_path / "folder.svg")


@pytest.mark.parametrize("option", ["-o", "--html"])
@pytest.mark.parametrize("what", ["model", "device", "server", "trace", "input"])
def test_what_a_plan_is_made_from_is_never_replaced(
    partway: Command, words: Words, tmp_path: Path, option: str, what: str
) -> None:
    trace, feeds = tmp_path / "drive.csv", tmp_path / "x.npy"
    trace.write_text("t_s,mbps\n0,0.064\n2,100\n5,0.064\n")
    np.save(feeds, np.zeros((1, 3, 8, 8), np.float32))
    sources = {"model": words[1], "device": words[3], "server": words[5], "trace": trace, "input": feeds}
    file = Path(str(sources[what]))
    before = file.read_bytes()
    line = complaint(partway, *words[:-2], "--link", trace, "--input", feeds, option, file)
    assert f"{file} is what the plan is made from, and would be replaced; name another file" in line
    assert file.read_bytes() == before


def test_one_file_is_not_two_outputs(partway: Command, words: Words, tmp_path: Path) -> None:
    file = tmp_path / "plan.svg"
    for first, second in (("-o", "--html"), ("--plot", "--html"), ("-o", "--plot")):
        assert f"{file} is named for two outputs" in complaint(partway, *words, first, file, second, file)
    assert not file.exists()


@pytest.mark.parametrize("option", ["--plot", "--html"])
def test_measuring_alone_shows_nothing(partway: Command, tmp_path: Path, option: str) -> None:
    line = complaint(partway, "plan", chain_model(tmp_path), "--measure-only", option, tmp_path / "plan.svg")
    assert f"{option} shows a plan, and --measure-only makes none" in line


# --- without scipy ------------------------------------------------------------------------------------------


@pytest.fixture
def no_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> importlib.machinery.ModuleSpec | None:
        return None if name == "scipy" else find_spec(name)

    monkeypatch.setattr(plan_costs, "find_spec", find)


@pytest.mark.usefixtures("no_scipy")
@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_without_scipy_plans_are_of_the_listed_cuts_and_say_so(
    partway: Command, words: Words, tmp_path: Path, objective: str
) -> None:
    file = tmp_path / "plan.json"
    finished = partway(*words, "--objective", objective, "-o", file)
    assert "to search all: pip install 'partway[plan]'" in finished.text
    assert "\nsearch" not in finished.out
    assert read_document(file, PlanDocument).search is None
    document = partway(*words, "--objective", objective, "--json").document
    assert document["search"] is None
    assert document["best"]["crossing"] == ["mean"]


@pytest.mark.usefixtures("no_scipy")
def test_without_scipy_restrictions_still_hold(partway: Command, words: Words) -> None:
    document = partway(*words, "--keep-on-device", "inputs", "--on-server", "Conv_conv2", "--json").document
    assert sorted(cut["crossing"] for cut in document["cuts"]) == [["conv1"], ["pool1"], ["relu1"]]


def crossed_model(folder: Path) -> Path:
    """Two branches of one input, the second ahead of the first, so that only two tensors divide them."""
    steps = (("Tanh", "x", "a"), ("Tanh", "a", "c1"), ("Elu", "c1", "c2"), ("Sigmoid", "a", "b1"), ("Elu", "b1", "b2"))
    nodes = [helper.make_node(kind, [read], [made], name=f"n_{made}") for kind, read, made in steps]
    nodes.append(helper.make_node("Add", ["b2", "c2"], ["y"], name="n_y"))
    return save(folder / "crossed.onnx", nodes, [value("x", 1, 8)], [value("y", 1, 8)])


@pytest.fixture
def crossed(tmp_path: Path) -> Words:
    path = crossed_model(tmp_path)
    return ("plan", path, *pair(path), *LINK, "--keep-on-device", "n_b2", "--on-server", "n_c2")


@pytest.mark.usefixtures("no_scipy")
def test_without_scipy_restrictions_that_no_listed_cut_keeps_to_are_one_line(partway: Command, crossed: Words) -> None:
    assert "no cut does what --keep-on-device and --on-server ask for" in complaint(partway, *crossed)


@pytest.mark.skipif(find_spec("scipy") is None, reason="scipy is not installed")
def test_with_scipy_cuts_of_several_tensors_are_found_where_no_listed_one_will_do(
    partway: Command, crossed: Words
) -> None:
    document = partway(*crossed, "--json").document
    assert document["search"]["certified"]
    assert [sorted(cut["crossing"]) for cut in document["cuts"]] == [["b2", "c1"]]
