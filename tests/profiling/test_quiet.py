from pathlib import Path

import pytest
from tests.profiling.power.trees import plant

from partway.profiling.quiet import Noise, check_noise
from partway.testing import FakeClock


class Scene:
    """Work whose repeats take these seconds in turn, of which a share is spent waiting for a core."""

    def __init__(self, root: Path, *repeats_s: float, waiting: float = 0.0) -> None:
        self.root = root
        self.repeats_s = repeats_s
        self.waiting = waiting
        self.wall, self.thread = FakeClock(), FakeClock()
        self.done = 0

    def work(self) -> None:
        seconds = self.repeats_s[self.done % len(self.repeats_s)]
        self.done += 1
        self.wall.advance(seconds)
        self.thread.advance(seconds * (1 - self.waiting))

    def check(self) -> Noise:
        return check_noise(
            self.root, budget_s=1.0, work=self.work, wall=self.wall, thread=self.thread, process=self.thread
        )


def test_work_that_runs_evenly_and_at_once_is_quiet(tmp_path: Path) -> None:
    noise = Scene(tmp_path, 0.125).check()
    assert noise == Noise(span_s=1.0, waiting_share=0.0, spread=0.0, others_share=None, stolen_share=None)
    assert noise.quiet


def test_waiting_for_a_core_is_seen(tmp_path: Path) -> None:
    noise = Scene(tmp_path, 0.125, waiting=0.25).check()
    assert noise.waiting_share == pytest.approx(0.25)
    assert noise.disturbances == ("work waited 25 % of the time for a core",)


def test_uneven_repeats_are_seen(tmp_path: Path) -> None:
    noise = Scene(tmp_path, 0.1, 0.2).check()
    assert noise.disturbances[0].startswith("equal work differed by")


def test_what_others_use_and_the_host_takes_is_seen(tmp_path: Path) -> None:
    """Two cores; in the span's second others compute for 0.5 s, the work for 1 s, and 0.1 s are stolen."""

    class Shared(Scene):
        def work(self) -> None:
            super().work()
            moment = round(self.wall.now_s * 100)
            cores = f"cpu  {moment} 0 {moment // 2} 999 0 0 0 {moment // 10} 0 0"
            plant(tmp_path, "proc", {"stat": f"{cores}\ncpu0 1\ncpu1 1\nintr 1"})

    noise = Shared(tmp_path, 0.2).check()
    assert noise.others_share == pytest.approx(0.25)
    assert noise.stolen_share == pytest.approx(0.05)
    assert noise.disturbances == ("other programs used 25 % of the machine", "other virtual machines took 5 %")
    assert not noise.quiet


def test_this_machine_can_be_checked() -> None:
    noise = check_noise(budget_s=1e-3)
    assert noise.span_s >= 1e-3
    assert 0 <= noise.waiting_share <= 1
