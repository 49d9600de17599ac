"""What is foretold of a queue is what its workers then do."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import PartwayError
from partway.serving.jobs import Arrays, Job, Member, Seat, pick
from partway.serving.outlook import Outlook, Run
from partway.serving.returning import Returning
from partway.serving.slowdown import Slowdown
from partway.serving.turns import Turns


class PairsGroup:
    """Jobs of which two run as one, in the time of one and a half."""

    def __init__(self, most: int) -> None:
        self.returning = Returning(0.0)
        self.stretch = Slowdown()
        self.most = most
        self.asked = 0

    def size(self, waiting: int) -> int:
        self.asked += 1
        return min(waiting, self.most)

    def seconds(self, members: int) -> float | None:
        return 0.5 + 0.5 * members

    def note(self, waiting: int) -> None:
        raise NotImplementedError

    def proved(self, members: int) -> bool:
        return members <= self.most

    def run(self, members: Sequence[Member]) -> Sequence[Arrays | PartwayError]:
        raise NotImplementedError

    def try_out(self, members: Sequence[Member]) -> None:
        raise NotImplementedError


class Nobody:
    """A member that never runs."""


def job(share: str, line: str, group: PairsGroup | None, takes_s: float = 1.0) -> Job:
    seat = None if group is None else Seat(group=group, member=Nobody())  # type: ignore[arg-type]  # it never runs
    return Job(work=lambda: None, share=share, line=line, seat=seat, expected_s=takes_s)


arrivals = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(-1, 1), st.integers(1, 9))


@given(st.lists(arrivals, max_size=30), arrivals, st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_the_delay_is_that_of_the_workers_own_picks(
    plan: list[tuple[str, str, int, int]], last: tuple[str, str, int, int], most: tuple[int, int]
) -> None:
    groups = [PairsGroup(most[0]), PairsGroup(most[1]), None]
    turns: Turns[Job] = Turns()
    for share, line, group, takes_s in plan:
        turns.add(share, job(share, line, groups[group], takes_s), line)
    share, line, group, _ = last
    arrival = job(share, line, groups[group])
    outlook, running = Outlook(), [Run(jobs=(), left=[], start_s=0.0)]
    foretold_s = outlook.delay_s(turns, running, 1, arrival, 0.0)
    assert outlook.delay_s(turns, running, 1, arrival, 0.0) == foretold_s
    turns.add(share, arrival, line)
    waited_s = 0.0
    while arrival not in (jobs := pick(turns)):
        together = jobs[0].group if len(jobs) > 1 else None
        seconds = sum(each.expected_s or 0.0 for each in jobs) if together is None else together.seconds(len(jobs))
        assert seconds is not None
        waited_s += seconds
    assert foretold_s == pytest.approx(waited_s)


def test_whoever_asks_while_nobody_comes_or_leaves_is_told_at_once() -> None:
    groups = PairsGroup(2), PairsGroup(2)
    turns: Turns[Job] = Turns()
    for number in range(40):
        turns.add(f"client-{number % 8}", job(f"client-{number % 8}", "", groups[number % 2]))
    outlook, running = Outlook(), [Run(jobs=(), left=[], start_s=0.0)]
    first_s = outlook.delay_s(turns, running, 1, job("new", "", None), 0.0)
    asked = [group.asked for group in groups]
    assert outlook.delay_s(turns, running, 1, job("another", "", None), 0.0) == first_s
    assert [group.asked for group in groups] == asked
    turns.add("one more", job("one more", "", None, 5.0))
    assert outlook.delay_s(turns, running, 1, job("another", "", None), 0.0) == pytest.approx(first_s + 5.0)


def test_a_brief_job_beside_a_worker_is_no_second_worker() -> None:
    turns: Turns[Job] = Turns()
    turns.add("a", job("a", "", None, 2.0))
    runs = [job("b", "", None, 4.0), job("c", "", None, 0.001)]
    running = [Run(jobs=(each,), left=[each], start_s=0.0) for each in runs]
    assert Outlook().delay_s(turns, running, 1, job("new", "", None), 0.0) == pytest.approx(6.0)
