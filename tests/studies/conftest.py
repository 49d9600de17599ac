"""What tests of studies share: the paper's set-up, made once."""

import pytest

from partway.studies import Setup


@pytest.fixture(scope="session")
def setup() -> Setup:
    return Setup.of_paper()
