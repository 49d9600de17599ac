from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from tests.graph.support import RUNTIME, canonical
from tests.models import diamond_model, random_feeds

from partway.engine import OrtSession, PieceStore, Session, Stop
from partway.errors import EngineError
from partway.graph import Piece, cut_at, device_only, whole
from partway.profiling import Effort
from partway.profiling.comparison import CutTimes, Stopwatch, Twice, time_kernels, time_twice
from partway.testing import FakeClock

ONCE = Effort(warm_ups=0, least_runs=1, most_runs=1, budget_s=0.0)


class Ticking:
    """A session each run of which takes a second for every output, and one more for every run before it."""

    def __init__(self, session: Session, clock: FakeClock) -> None:
        self.session = session
        self.clock = clock
        self.inputs = session.inputs
        self.outputs = session.outputs
        self.delay_s = 0

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        self.clock.advance(len(self.outputs) + self.delay_s)
        self.delay_s += 1
        return self.session.run(feeds, outputs, stop=stop)


class TickingStore(PieceStore):
    """Remembers which sessions were asked for."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(canonical(path), RUNTIME)
        self.clock = clock
        self.kept: dict[Piece, Ticking] = {}
        self.asked: list[Piece] = []

    def session(self, piece: Piece) -> OrtSession:
        self.asked.append(piece)
        if piece not in self.kept:
            self.kept[piece] = Ticking(super().session(piece), self.clock)
        return cast("OrtSession", self.kept[piece])


def test_every_piece_is_timed_once_in_a_pass_and_then_all_of_them_again(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    clock = FakeClock()
    store = TickingStore(path, clock)
    cuts = (device_only(store.model), cut_at(store.model, ["stem", "left2"]))
    told: list[tuple[int, int]] = []
    times = time_twice(
        store,
        cuts,
        random_feeds(path),
        stopwatch=Stopwatch(effort=ONCE, clock=clock, cpu_clock=lambda: 0.5 * clock.now_s),
        progress=lambda done, of: told.append((done, of)),
    )
    # The head with a tail after it runs once more in each pass, for what the tail is fed.
    assert times == (
        CutTimes(cut=cuts[0], head=Twice(measured_s=1, repeated_s=2, busy_share=0.5), tail=None),
        CutTimes(
            cut=cuts[1],
            head=Twice(measured_s=3, repeated_s=5, busy_share=0.5),
            tail=Twice(measured_s=1, repeated_s=2, busy_share=0.5),
        ),
    )
    assert told == [(done, 4) for done in range(5)]
    middle = len(store.asked) // 2
    assert store.asked[:middle] == store.asked[middle:]


def test_the_worse_pass_tells_whether_others_had_the_core(tmp_path: Path) -> None:
    clock = FakeClock()
    store = TickingStore(diamond_model(tmp_path), clock)
    shares = iter((0.0, 1.0, 1.0, 1.5))  # processor seconds before and after a run of one second, then of two
    (times,) = time_twice(
        store,
        (device_only(store.model),),
        random_feeds(tmp_path / "diamond.onnx"),
        stopwatch=Stopwatch(effort=ONCE, clock=clock, cpu_clock=lambda: next(shares)),
    )
    assert times.head == Twice(measured_s=1, repeated_s=2, busy_share=0.25)


def test_kernels_of_a_piece_are_timed_in_their_order(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    store = PieceStore(canonical(path), RUNTIME)
    store.want((cut_at(store.model, ["stem"]),))
    assert store.promote()
    for piece in (whole(store.model), cut_at(store.model, ["stem"]).tail):
        assert piece is not None
        feeds = random_feeds(path) if piece.inputs == ("image",) else {"stem": np.zeros((1, 4, 6, 6), np.float32)}
        kernels_s = time_kernels(store, piece, feeds, effort=Effort(warm_ups=1, least_runs=3, most_runs=3))
        assert len(kernels_s) == len(store.kernels(piece).kernels)
        assert all(seconds is not None and seconds >= 0 for seconds in kernels_s)


def test_a_piece_that_does_not_come_from_the_optimised_graph_has_no_kernels_to_time(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    store = PieceStore(canonical(path), RUNTIME)
    with pytest.raises(EngineError, match="promote first"):
        time_kernels(store, whole(store.model), random_feeds(path))
