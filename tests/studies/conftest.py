"""What tests of studies share: the paper's set-up, made once."""

from dataclasses import replace

import pytest

from partway.studies import Setup


@pytest.fixture(scope="session")
def setup() -> Setup:
    return Setup.of_paper()


@pytest.fixture(scope="session")
def unsent(setup: Setup) -> Setup:
    """The same, where device-only keeps its result."""
    return replace(setup, result_sent=False)
