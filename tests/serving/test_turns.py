from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.serving.turns import Turns

shares = st.lists(st.sampled_from("abcde"), max_size=40)


def of(arrivals: list[str]) -> Turns[tuple[str, int]]:
    turns: Turns[tuple[str, int]] = Turns()
    for number, share in enumerate(arrivals):
        turns.add(share, (share, number))
    return turns


def taken(turns: Turns[tuple[str, int]]) -> list[tuple[str, int]]:
    return [turns.take_next() for _ in range(len(turns))]


def test_everybody_has_one_turn_a_round() -> None:
    assert [share for share, _ in taken(of([*"aaaabcc"]))] == [*"abcacaa"]


@given(shares)
def test_all_are_served_once_and_each_share_in_its_own_order(arrivals: list[str]) -> None:
    order = taken(of(arrivals))
    assert sorted(number for _, number in order) == list(range(len(arrivals)))
    for share in set(arrivals):
        own = [number for found, number in order if found == share]
        assert own == sorted(own)


@given(shares)
def test_who_still_waits_has_had_as_many_turns_as_anybody_or_one_fewer(arrivals: list[str]) -> None:
    turns = of(arrivals)
    had: Counter[str] = Counter()
    while turns:
        had[turns.take_next()[0]] += 1
        for share in set(arrivals):
            if turns.waiting(share):
                assert had[share] >= max(had.values()) - 1


@given(shares)
def test_the_order_is_known_before_and_a_copy_is_played_through_without_a_trace(arrivals: list[str]) -> None:
    turns = of(arrivals)
    foretold = list(turns)
    assert taken(turns.copy()) == foretold
    assert taken(turns) == foretold


@given(shares, st.data())
def test_whoever_comes_later_does_not_get_before_the_first_of_a_share(arrivals: list[str], data: st.DataObject) -> None:
    turns = of(arrivals)
    newcomer = ("new", -1)
    turns.add("new", newcomer)
    ahead = list(turns).index(newcomer)
    for _ in range(ahead):
        if data.draw(st.booleans()):
            later = data.draw(st.sampled_from("abcdexyz"))
            turns.add(later, (later, 100))
        assert turns.take_next() is not newcomer
    assert turns.take_next() is newcomer


def test_what_is_taken_before_its_turn_was_its_shares_turn() -> None:
    turns = of([*"abcbc"])
    first_of_b = next(item for item in turns if item[0] == "b")
    turns.take("b", first_of_b)
    assert [share for share, _ in taken(turns)] == [*"acbc"]
    with pytest.raises(LookupError, match="does not wait"):
        turns.take("b", first_of_b)


def test_what_is_removed_costs_its_share_no_turn() -> None:
    turns = of([*"abcbc"])
    first_of_b = next(item for item in turns if item[0] == "b")
    assert turns.remove("b", first_of_b)
    assert not turns.remove("b", first_of_b)
    assert [share for share, _ in taken(turns)] == [*"abcc"]


def test_the_largest_share_gives_back_its_newest() -> None:
    turns = of([*"abbbcc"])
    assert turns.largest == "b"
    assert turns.take_newest("b") == ("b", 3)
    assert turns.largest == "c"
    assert len(turns) == 5


def test_nothing_is_nobodys_turn() -> None:
    turns = of([])
    assert not list(turns)
    assert turns.clear() == ()
    with pytest.raises(LookupError, match="nobody's turn"):
        turns.take_next()
    with pytest.raises(LookupError, match="no share is the largest"):
        _ = turns.largest


def lined(arrivals: list[tuple[str, str]]) -> Turns[tuple[str, str, int]]:
    turns: Turns[tuple[str, str, int]] = Turns()
    for number, (share, line) in enumerate(arrivals):
        turns.add(share, (share, line, number), line)
    return turns


lines = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=30)


def test_the_lines_of_a_share_take_turns_within_its_own() -> None:
    turns = lined([("a", "x"), ("a", "x"), ("a", "y"), ("b", "z"), ("b", "z")])
    assert [turns.take_next()[:2] for _ in range(5)] == [("a", "x"), ("b", "z"), ("a", "y"), ("b", "z"), ("a", "x")]


@given(lines)
def test_turns_go_by_share_first_and_by_line_within_it(arrivals: list[tuple[str, str]]) -> None:
    turns = lined(arrivals)
    foretold, copied = list(turns), turns.copy()
    had: Counter[str] = Counter()
    had_in_line: Counter[tuple[str, str]] = Counter()
    order = []
    while turns:
        share, line, _ = item = turns.take_next()
        order.append(item)
        had[share] += 1
        had_in_line[share, line] += 1
        for other in set(arrivals):
            if turns.waiting(other[0]):
                assert had[other[0]] >= max(had.values()) - 1
            if turns.waiting(*other):
                own = [count for (name, _), count in had_in_line.items() if name == other[0]]
                assert had_in_line[other] >= max(own, default=0) - 1
    assert order == foretold == [copied.take_next() for _ in range(len(copied))]
    assert sorted(number for *_, number in order) == list(range(len(arrivals)))


def test_the_longest_line_of_a_share_gives_back_its_newest() -> None:
    turns = lined([("a", "x"), ("a", "y"), ("a", "y"), ("b", "z")])
    assert turns.most_in_line("a") == 2
    assert turns.take_newest("a") == ("a", "y", 2)
    assert turns.most_in_line("c") == 0
