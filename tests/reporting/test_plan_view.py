import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reporting.plan_views import chain_costs, view_of

from partway.errors import InputError
from partway.reporting.plan_view import PlanView, brief, evenly


@given(st.integers(0, 200), st.integers(1, 80), st.sets(st.integers(0, 199), max_size=8))
def test_thinning_keeps_the_order_what_must_stay_and_as_many_as_it_may(rows: int, most: int, always: set[int]) -> None:
    kept = evenly(range(rows), most, always=always)
    must = {row for row in always if row < rows}
    assert list(kept) == sorted(set(kept))
    assert must <= set(kept) <= set(range(rows))
    assert len(kept) == max(min(rows, most), len(must))


def test_names_lose_what_they_all_begin_and_end_with() -> None:
    assert brief(("/net/a1/out", "/net/a2/out")) == ("…a1…", "…a2…")
    assert brief(("pool5", "relu6")) == ("pool5", "relu6")
    assert brief(("/net/a/out",)) == ("/net/a/out",)
    assert brief(()) == ()


@given(st.lists(st.text("ab/._", max_size=8), unique=True))
def test_different_names_stay_different_when_they_are_brief(names: list[str]) -> None:
    assert len(set(brief(names))) == len(names)


def test_a_view_needs_a_name_for_every_cut() -> None:
    view = view_of(chain_costs(3))
    with pytest.raises(InputError, match="3 names for the plan's 4 cuts"):
        PlanView(title="", model="", plan=view.plan, names=view.names[1:], conditions=view.conditions, link="lte")


def test_the_link_in_words_says_the_load_only_where_there_is_one() -> None:
    assert view_of(chain_costs(3)).link_in_words() == "lte: up 5.85 Mbit/s, down 13.8 Mbit/s, round trip 50 ms"
