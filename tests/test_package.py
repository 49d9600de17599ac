"""The package as others get it: what it exports, what it carries, and what it needs to be imported."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import partway

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(line.split("==") for line in (ROOT / "requirements/constraints.txt").read_text().splitlines())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(folder), str(ROOT)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_root_exports_what_it_says() -> None:
    for name in partway.__all__:
        assert getattr(partway, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'InferenceSesion'"):
        partway.InferenceSesion  # noqa: B018 - asking for it is the test


def test_importing_the_root_does_not_load_the_runtime() -> None:
    program = "import partway, sys; print('onnxruntime' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "False\n"


def test_the_change_log_knows_this_version() -> None:
    assert f"## [{partway.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_wheel_carries_the_package_its_types_and_its_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    assert {str(path.relative_to(source)) for path in source.rglob("*.py")} <= names
    assert "partway/py.typed" in names
    information = f"partway-{partway.__version__}.dist-info"
    assert f"{information}/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"partway", information}


def test_the_wheel_needs_nothing_but_the_core_dependencies(wheel: Path, tmp_path: Path) -> None:
    """A bare environment sees the wheel and, by links, exactly what it asks for: no index is needed for that."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = (environment / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    for distribution in _with_dependencies("partway"):
        for entry in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (packages / entry).unlink(missing_ok=True)
            (packages / entry).symlink_to(Path(str(distribution.locate_file(entry))))
    python = [str(environment / "bin" / "python"), "-W", "error"]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for command in (
        [*python, "-c", "import partway, partway.testing; print(partway.__file__)"],
        [*python, "-m", "partway", "--help"],
    ):
        finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=surroundings)
        assert finished.returncode == 0, finished.stderr
        assert str(packages) in finished.stdout or "first steps" in finished.stdout


def _with_dependencies(name: str) -> Iterator[importlib.metadata.Distribution]:
    waiting, seen = [name], set()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        distribution = importlib.metadata.distribution(asked)
        if asked != name:
            yield distribution
        needed = (Requirement(text) for text in distribution.requires or ())
        waiting += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]


def test_pins_are_names_and_versions_and_nothing_else() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), f"{path.name}: {line!r} is no pin"


def test_every_requirement_of_the_environment_is_pinned_within_its_range() -> None:
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    demo = [text for text in PROJECT["project"]["optional-dependencies"]["demo"] if not text.startswith("rapidocr")]
    for text in (*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"], *demo):
        requirement = Requirement(text)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, text
