"""Arrivals come at their rate, in order, from formulas and from files; what is no such file says where."""

from pathlib import Path

import numpy as np
import pytest

from partway.errors import InputError
from partway.simulation.arrivals import (
    GOOGLE_SEARCH,
    MAX_FILE_BYTES,
    Arrivals,
    Renewal,
    Replayed,
    poisson,
    read_curve,
    read_timestamps,
)
from partway.simulation.distributions import Constant, to_mean

PROCESSES: tuple[Arrivals, ...] = (
    poisson(50.0),
    Renewal(gaps=Constant(mean_s=0.02)),
    Renewal(gaps=to_mean(GOOGLE_SEARCH, 0.02)),
    Replayed(gaps_s=np.array([0.01, 0.0, 0.05])),
)


@pytest.mark.parametrize("arrivals", PROCESSES, ids=["poisson", "even", "google", "replayed"])
def test_arrivals_come_in_order_and_at_their_rate(arrivals: Arrivals) -> None:
    assert arrivals.rate_per_s == pytest.approx(50.0)
    times_s = arrivals.times_s(np.random.default_rng(1), 200_000)
    assert times_s.size == 200_000
    assert (np.diff(times_s) >= 0).all()
    assert times_s[0] >= 0
    assert times_s.size / times_s[-1] == pytest.approx(50.0, rel=0.02)
    assert arrivals.at_rate(200.0).rate_per_s == pytest.approx(200.0)
    assert arrivals.at_rate(200.0).variation == pytest.approx(arrivals.variation)


def test_the_shape_of_google_s_search_has_the_mean_and_variation_that_are_known_of_it() -> None:
    assert GOOGLE_SEARCH.mean_s == pytest.approx(0.317e-3, rel=0.005)
    assert GOOGLE_SEARCH.variation == pytest.approx(1.19, abs=0.01)


def test_a_trace_goes_round_from_a_place_of_its_own() -> None:
    gaps_s = np.array([1.0, 2.0, 3.0])
    found = Replayed(gaps_s=gaps_s).times_s(np.random.default_rng(4), 7)
    steps = np.diff(found, prepend=0.0)
    first = int(np.flatnonzero(gaps_s == steps[0])[0])
    assert steps == pytest.approx(np.resize(np.roll(gaps_s, -first), 7))


def test_a_curve_is_read_as_bighouse_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "search.cdf"
    path.write_text("# seconds, probability\n0.0 0.0\n\n0.001 0.5\n0.003\t1.0000000000\n")
    curve = read_curve(path)
    assert curve.mean_s == pytest.approx(0.5 * 0.0005 + 0.5 * 0.002)
    assert Renewal(gaps=curve).rate_per_s == pytest.approx(1 / curve.mean_s)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("0 0\n0.001 half\n", "line 2 is '0.001 half'; expected seconds and a probability"),
        ("0 0\n0.001\n", "line 2"),
        ("0 0\n0.001 0.5 3\n", "line 2"),
        ("0 0\n0.002 0.5\n\n0.001 1\n", "line 4 is '0.001 1', below the line before"),
        ("0 0\n0.001 0.5\n0.002 0.4\n", "line 3"),
        ("0 0\n0.001 1.5\n", "line 2 is '0.001 1.5'; expected finite seconds"),
        ("0 0\nnan 1\n", "line 2"),
        ("0 0\n0.001 0.9\n", "from 0 to 1"),
        ("0.001 0.5\n0.002 1\n", "from 0 to 1"),
        ("", "no cumulative curve"),
    ],
)
def test_what_is_no_curve_says_where(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "wrong.cdf"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_curve(path)
    assert complaint in str(error.value)


def test_timestamps_are_read_with_and_without_a_heading(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("t_s\n100.0\n100.5\n\n102.0\n")
    assert read_timestamps(path).gaps_s.tolist() == [0.5, 1.5]
    path.write_text("100.0\n100.5\n")
    assert read_timestamps(path).gaps_s.tolist() == [0.5]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1\n2\nsoon\n", "line 3 is 'soon'"),
        ("1\n2\n1.5\n", "line 3 is '1.5'; times must be finite and never go back"),
        ("1\ninf\n", "line 2"),
        ("5\n", "at least two that differ"),
        ("5\n5\n", "at least two that differ"),
    ],
)
def test_what_are_no_timestamps_says_where(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_timestamps(path)
    assert complaint in str(error.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_curve(tmp_path / "none.cdf")
    with pytest.raises(InputError, match="not a regular file"):
        read_curve(tmp_path)
    binary = tmp_path / "binary.cdf"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_curve(binary)
    with binary.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        read_curve(binary)


def test_rates_and_gaps_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="rate of arrivals"):
        poisson(0.0)
    for gaps_s in ([], [0.0, 0.0], [1.0, -1.0], [np.nan]):
        with pytest.raises(InputError, match="trace of arrivals"):
            Replayed(gaps_s=np.array(gaps_s))
