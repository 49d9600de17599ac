"""Ten thousand histories of trouble: every request is answered, rightly, and in time."""

import logging
from collections.abc import Iterator

import pytest
from tests.client.simulation import KINDS, faults_of, restless_faults, simulate

ROUNDS, HISTORIES = 10, 1000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)  # tens of thousands of lines that say what a seed can say again
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_whatever_goes_wrong_every_request_is_answered_rightly_and_in_time(round_: int) -> None:
    for seed in range(round_ * HISTORIES, (round_ + 1) * HISTORIES):
        history = simulate(seed)
        assert not (faults := faults_of(history)), (
            f"seed {seed}: {'; '.join(faults)}; replay it with `python -m tests.client.simulation {seed}`"
        )


def test_the_histories_have_every_trouble_and_every_end() -> None:
    histories = [simulate(seed) for seed in range(300)]
    assert {trouble.kind for history in histories for trouble in history.troubles} == set(KINDS)
    ends = {(one.result.hedged, one.result.won_by) for history in histories for one in history.asked}
    assert ends == {(False, "server"), (False, "device"), (True, "server"), (True, "device")}
    assert any("waited" in one.result.reason for history in histories for one in history.asked), "none was turned away"
    assert any(one.breaker == state for state in ("open", "half-open") for h in histories for one in h.asked)


def test_a_seed_makes_the_same_history_again() -> None:
    first, second = ([(one.at_s, one.result.reason) for one in simulate(7).asked] for _ in range(2))
    assert first == second


def test_a_busy_device_a_changing_link_and_users_who_stop_or_close_lose_nothing_and_pass() -> None:
    for seed in range(60):
        assert not (faults := restless_faults(seed)), f"seed {seed}: {'; '.join(faults)}"
