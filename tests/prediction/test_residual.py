"""What samples nearby say beyond a formula, and how far that reaches."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.support import law

from partway.prediction.physical import FloatArray
from partway.prediction.residual import Residual, ResidualModel, fit_residual

Sizes = list[dict[str, float]]

few = settings(law, max_examples=10)


def places(count: int, seed: int = 0) -> Sizes:
    """Sizes from 8 to 512, evenly in their logarithm."""
    logs = np.random.default_rng(seed).uniform(np.log(8), np.log(512), (count, 2))
    return [{"rows": rows, "columns": columns} for rows, columns in np.exp(logs).tolist()]


def hill(rows: Sizes) -> FloatArray:
    """A smooth error: up to 0.3 of a logarithm."""
    return np.array([0.3 * np.sin(np.log(row["rows"])) for row in rows])


def fit(rows: Sizes, logs: FloatArray, *, timer: float = 0.0, seed: int = 0) -> Residual:
    return fit_residual(
        rows,
        logs,
        np.full(len(rows), timer),
        importance=np.ones(len(rows)),
        generator=np.random.default_rng(seed),
    )


@few
@given(st.integers(0, 2**16))
def test_it_follows_samples_nearby(seed: int) -> None:
    rows = places(100, seed)
    found = ResidualModel(fit(rows, hill(rows)))
    between = places(50, seed + 1)
    logs, spreads = found.predict(between)
    assert float(np.median(np.abs(logs - hill(between)))) < 0.05
    assert (spreads > 0).all()


@few
@given(st.integers(0, 2**16), st.sampled_from((1e-40, 1e40)))
def test_far_from_all_samples_it_says_nothing(seed: int, far: float) -> None:
    rows = places(60, seed)
    fitted = fit(rows, hill(rows) + 0.2)
    logs, spreads = ResidualModel(fitted).predict([{"rows": far, "columns": far}])
    assert abs(float(logs[0])) < 1e-3
    assert float(spreads[0]) == pytest.approx(float(np.hypot(fitted.amplitude, fitted.noise)), rel=1e-3)


def test_its_spread_grows_with_the_distance() -> None:
    rows = places(100)
    model = ResidualModel(fit(rows, hill(rows)))
    _, spreads = model.predict([{"rows": 64.0 * 2.0**step, "columns": 64.0} for step in range(3, 30)])
    assert (np.diff(spreads) >= -1e-9).all()
    assert spreads[-1] > 1.5 * spreads[0]


def test_the_same_samples_give_the_same_fit() -> None:
    rows = places(500)
    assert fit(rows, hill(rows)) == fit(rows, hill(rows))


def test_it_remembers_a_few_hundred_samples_of_any_number() -> None:
    rows = places(1500)
    found = fit(rows, hill(rows))
    assert len(found.values) == len(found.points) == 400
    logs, _ = ResidualModel(found).predict(rows[:50])
    assert float(np.median(np.abs(logs - hill(rows[:50])))) < 0.05


@law
@given(st.integers(1, 30), st.floats(0, 0.5), st.floats(0, 0.3), st.integers(0, 2**16))
def test_it_is_finite_for_any_few_samples(count: int, size: float, timer: float, seed: int) -> None:
    rows = places(count, seed)
    rows[-1] = rows[0]  # twice the same place, with another measurement
    logs = np.random.default_rng(seed).normal(0, size, count)
    found, spreads = ResidualModel(fit(rows, logs, timer=timer)).predict(places(20, seed + 1))
    assert np.isfinite(found).all()
    assert np.isfinite(spreads).all()
    assert float(np.abs(found).max()) <= 2 * float(np.abs(logs).max()) + 1e-9


def test_what_the_timer_cannot_tell_is_believed_less() -> None:
    rows = places(60)
    sharp, dull = (ResidualModel(fit(rows, hill(rows), timer=timer)).predict(rows) for timer in (0.0, 1.0))
    assert float(np.abs(dull[0]).mean()) < float(np.abs(sharp[0]).mean())
    assert (dull[1] >= sharp[1]).all()


def test_a_size_that_never_differs_and_one_that_is_not_there_do_no_harm() -> None:
    rows: Sizes = [row | {"stride": 1.0} for row in places(60)]
    model = ResidualModel(fit(rows, hill(rows)))
    logs, _ = model.predict(rows[:5])
    unstated, _ = model.predict([{key: size for key, size in row.items() if key != "stride"} for row in rows[:5]])
    np.testing.assert_allclose(unstated, logs)


def test_it_is_stored_and_read_back() -> None:
    found = fit(places(40), hill(places(40)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Residual) == found
