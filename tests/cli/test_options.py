import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.cli.options import only_once, parse_count, parse_factor, parse_shape, parse_value
from partway.errors import InputError


@given(st.text(min_size=1), st.lists(st.integers(0, 10**6)))
def test_a_shape_is_read_as_it_was_written(name: str, lengths: list[int]) -> None:
    shape = parse_shape(f"{name}={','.join(map(str, lengths))}")
    assert (shape.name, shape.lengths) == (name, tuple(lengths))


def test_names_may_hold_colons_and_equals_signs() -> None:
    assert parse_shape("in=put:0=1,2") == ("in=put:0", (1, 2))
    assert parse_value("sr:0=16000").name == "sr:0"


@pytest.mark.parametrize("text", ["", "image", "=1,2", "image=1,,2", "image=1x2", "image=-1", "image=1.5", "image=²"])
def test_malformed_shapes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write input=lengths"):
        parse_shape(text)


def test_values_are_numbers_lists_and_booleans() -> None:
    assert parse_value("sr=16000").value == 16000
    assert parse_value("sr=0.5").value == 0.5
    assert parse_value("scales=[[1,2],[3,4]]").value.shape == (2, 2)
    assert parse_value("flag=true").value.dtype == bool


@pytest.mark.parametrize(
    "text", ["", "sr", "=1", "sr=", "sr=x", 'sr="a"', "sr=[1,[2]]", "sr=null", "sr={}", "sr=" + "[" * 10_000]
)
def test_malformed_values_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="binds no value"):
        parse_value(text)


@given(st.integers(1, 10**6))
def test_counts_are_whole_numbers_above_the_least(count: int) -> None:
    assert parse_count(str(count)) == count


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "²"])
def test_other_counts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="at least 1"):
        parse_count(text)


@pytest.mark.parametrize("text", ["0.5", "nan", "inf", "x", "-2"])
def test_a_slowdown_is_a_number_of_at_least_one(text: str) -> None:
    assert parse_factor("1") == 1.0
    with pytest.raises(InputError, match="1 or more"):
        parse_factor(text)


def test_a_name_may_come_once() -> None:
    assert only_once("--shape", [("a", 1), ("b", 2)]) == {"a": 1, "b": 2}
    with pytest.raises(InputError, match="--shape gives 'a' twice"):
        only_once("--shape", [("a", 1), ("a", 1)])
