import pytest

from partway.serving.slowdown import Slowdown


def test_the_slowdown_is_forgotten_while_nothing_runs() -> None:
    slowdown = Slowdown()
    slowdown.observe(8.0, 1.0, now_s=0.0)
    at_once, later, much_later = slowdown.value(0.0), slowdown.value(10.0), slowdown.value(1000.0)
    assert at_once > later > 1.0
    assert much_later == pytest.approx(1.0)


def test_the_slowdown_stays_between_one_and_its_bound() -> None:
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.observe(1e9, 1.0, now_s=0.0)
    assert slowdown.value(0.0) <= 100.0
    for _ in range(100):
        slowdown.observe(0.1, 1.0, now_s=0.0)
    assert slowdown.value(0.0) == 1.0
