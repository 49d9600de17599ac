import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models import chain_model

_PROGRAM = """
import sys
from pathlib import Path
from partway.engine import OrtRuntime
OrtRuntime().open(Path(sys.argv[1]))
"""


def files_left_at_home(tmp_path: Path, **variables: str) -> list[Path]:
    home = tmp_path / "home"
    home.mkdir()
    path = chain_model(tmp_path)
    # The runtime keeps quiet by itself in CI and in its own tests: neither must hide what we do.
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("ORT_")}
    environment = {**kept, "HOME": str(home), **variables}
    subprocess.run([sys.executable, "-c", _PROGRAM, str(path)], check=True, env=environment)
    return [file for file in home.rglob("*") if file.is_file()]


def test_running_a_model_reports_nothing_and_leaves_nothing_at_home(tmp_path: Path) -> None:
    assert files_left_at_home(tmp_path) == []


def test_whoever_wants_to_report_still_can(tmp_path: Path) -> None:
    if not files_left_at_home(tmp_path, ORT_DISABLE_TELEMETRY="0"):
        pytest.skip("this build of ONNX Runtime does not report at all, so there is nothing to switch on")
