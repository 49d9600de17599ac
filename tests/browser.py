"""A real browser for pages: found on this machine, or skipped with the reason and the way to one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_VARIABLE = "PARTWAY_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_HELP = f"install Chromium, name one in {_VARIABLE}, or run: python -m playwright install chromium"


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """A headless Chromium for the time of a block; skips the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="no browser to test in: pip install playwright")
    # Chromium's sandbox refuses to start for root, as whom containers run tests.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        executable = _installed() or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.skip(f"no browser to test in: {executable} does not exist; {_HELP}")
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def _installed() -> str | None:
    named = os.environ.get(_VARIABLE)
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)
