import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.errors import InputError
from partway.units import (
    format_count,
    format_duration,
    format_energy,
    format_power,
    format_rate,
    format_size,
    parse_duration,
    parse_energy,
    parse_power,
    parse_rate,
    parse_share,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("1.5s", 1.5),
        ("2min", 120),
        (" .5 h ", 1800),
        ("12us", 12e-6),
        ("12 µs", 12e-6),
        ("1e-3s", 1e-3),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("152kB", 152e3), ("152KB", 152e3), ("1MiB", 2**20), ("3 B", 3), ("20GB", 20e9)]
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: float) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "bytes_per_s"), [("5.85Mbit/s", 731_250), ("2MB/s", 2e6), ("1Gbit/s", 125e6), ("8bit/s", 1)]
)
def test_rates_are_read_as_people_write_them(text: str, bytes_per_s: float) -> None:
    assert parse_rate(text) == pytest.approx(bytes_per_s)


@pytest.mark.parametrize(("text", "watts"), [("6.4W", 6.4), ("870 mW", 0.87), ("1.2kW", 1200)])
def test_powers_are_read_as_people_write_them(text: str, watts: float) -> None:
    assert parse_power(text) == pytest.approx(watts)


@pytest.mark.parametrize(
    "text", ["", "5", "ms", "-5ms", "5 parsec", "nan s", "inf s", "1e999s", "5ms5ms", "5Ms", "\u0661s"]
)
def test_what_is_no_duration_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(
        InputError, match=r"is not a duration; write a number and one of s, ms|too large for a duration"
    ):
        parse_duration(text)


def test_a_unit_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"'5ms' is not a size; write a number and one of B, kB"):
        parse_size("5ms")
    with pytest.raises(InputError, match=r"'5MB' is not a rate"):
        parse_rate("5MB")


@law
@given(st.text())
def test_no_text_is_more_than_an_input_error(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_rate, parse_power, parse_energy):
        try:
            assert parse(text) >= 0
        except InputError as error:
            assert repr(text) in str(error)  # noqa: PT017 - any text may be refused, and then with this message


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.87, "870 ms"), (12.34e-6, "12.3 µs"), (1.25, "1.25 s"), (0.9999, "1 s"), (0, "0 µs"), (-0.5, "-500 ms")],
)
def test_durations_are_written_in_the_unit_that_fits(duration_s: float, text: str) -> None:
    assert format_duration(duration_s) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (37, "37 B"), (152_064, "152 kB"), (999_999, "1 MB"), (12.3e6, "12.3 MB"), (5e12, "5000 GB")],
)
def test_sizes_are_written_in_powers_of_ten(size_bytes: float, text: str) -> None:
    assert format_size(size_bytes) == text


def test_rates_and_counts_are_written_for_people() -> None:
    assert format_rate(731_250) == "5.85 Mbit/s"
    assert format_rate(0) == "0 bit/s"
    assert [format_count(count) for count in (512, 999.9, 39e6, 1.82e9)] == ["512", "1 k", "39 M", "1.82 G"]


def test_powers_and_energies_are_written_for_people() -> None:
    assert [format_power(watts) for watts in (0, 0.87, 6.4, 1234)] == ["0 mW", "870 mW", "6.4 W", "1.23 kW"]
    assert [format_energy(joules) for joules in (0, 12e-6, 0.0381, 1.25, 4e3)] == [
        "0 µJ",
        "12 µJ",
        "38.1 mJ",
        "1.25 J",
        "4 kJ",
    ]


@law
@given(st.floats(1e-6, 1e12))
def test_what_is_written_reads_back_within_the_last_digit(quantity: float) -> None:
    assert parse_duration(format_duration(quantity)) == pytest.approx(quantity, rel=0.006)
    assert parse_rate(format_rate(quantity)) == pytest.approx(quantity, rel=0.006)
    if quantity >= 1e-3:
        assert parse_power(format_power(quantity)) == pytest.approx(quantity, rel=0.006)
    if quantity >= 1:
        assert parse_size(format_size(quantity)) == pytest.approx(quantity, rel=0.006)


@pytest.mark.parametrize(("text", "joules"), [("0.5J", 0.5), ("20 mJ", 0.02), ("1kJ", 1000.0), ("2Wh", 7200.0)])
def test_energies_are_read_as_people_write_them(text: str, joules: float) -> None:
    assert parse_energy(text) == pytest.approx(joules)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.01", 0.01), ("2.5 %", 0.025), ("0", 0.0)])
def test_shares_are_read_as_people_write_them(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


def test_a_share_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(InputError, match="too large for a share"):
        parse_share("1e400%")


@pytest.mark.parametrize("text", ["", "one", "1s", "-1%", "%"])
def test_what_is_no_share_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"write per cent or a fraction"):
        parse_share(text)
