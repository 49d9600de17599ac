"""What tests of the command line share: a cache of their own, and a way to run a command in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from partway.cli.main import main


@dataclass(frozen=True)
class Finished:
    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """What was printed, with one space for every gap."""
        return " ".join(self.out.split())

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document that was printed."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        document: dict[str, Any] = json.loads(self.out, parse_constant=refuse)
        return document


Command = Callable[..., Finished]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PARTWAY_CACHE", str(folder))
    return folder


@pytest.fixture
def partway(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: object) -> Finished:
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Finished(status, captured.out, captured.err)

    return run
