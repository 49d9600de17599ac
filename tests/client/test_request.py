"""The device's part of a request is compared with what the table says of the same work."""

from pathlib import Path

import numpy as np
from tests.models import chain_model, random_feeds

from partway.client.bound import BoundModel
from partway.client.observer import Observer
from partway.client.packing import Packed, Packer
from partway.client.request import Request
from partway.client.traffic import Traffic
from partway.engine import OrtRuntime, PieceStore
from partway.graph import Cut, Source, canonicalise
from partway.link import NAMED_LINKS
from partway.planning import CutCost
from partway.testing import FakeClock
from partway.wire import Tensor

HEAD_S, ENCODE_S = 2.0, 3.0


class TimedBound(BoundModel):
    """A model whose heads take two seconds."""

    clock: FakeClock
    observed_s: float | None = None

    def run(self, *arguments: object, **options: object) -> dict[str, np.ndarray]:
        self.clock.advance(HEAD_S)
        return super().run(*arguments, **options)  # type: ignore[arg-type]  # passed on

    def observe_head(self, cut: Cut, head_s: float, *, alone: bool) -> None:
        assert alone
        self.observed_s = head_s


class TimedPacker(Packer):
    """Packing takes three seconds and saves half the bytes."""

    def pack(self, model: object, codec: str, arrays: object) -> Packed:
        assert codec == "zstd"
        self._sleep(ENCODE_S)
        tensors = (Tensor(name="pool1", array=np.zeros(1)),)
        return Packed(tensors=tensors, coded={}, saved_bytes=100, encode_s=ENCODE_S)


class Noting(Observer):
    """Notes what it is told of heads."""

    told: tuple[float, float] | None = None

    def saw_head(self, *, expected_s: float, took_s: float, alone: bool) -> None:
        self.told = expected_s, took_s


def test_a_head_is_seen_without_its_encoding_and_the_devices_part_with_it(
    tmp_path: Path,
) -> None:
    path, runtime, clock = chain_model(tmp_path), OrtRuntime(threads=1), FakeClock()
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    bound = TimedBound(model, PieceStore(model, runtime), emulate=lambda session: session, whole_s=5.0)
    bound.clock = clock
    cut = next(cut for cut in bound.offloaded if cut.head is not None)
    cost = CutCost(
        crossing=cut.crossing,
        device_s=HEAD_S + ENCODE_S,
        up_bytes=cut.up_bytes - 100,
        server_s=1.0,
        down_bytes=cut.down_bytes,
        offloaded=True,
        codec="zstd",
    )
    observer = Noting(prior=NAMED_LINKS["lte"], clock=clock, generator=np.random.default_rng(0))
    request = Request(
        names=("scores",), feeds=random_feeds(path), observer=observer, traffic=Traffic(), slowdown=1.0, clock=clock
    )
    request.run_head(bound, cut, cost, TimedPacker(slowdown=1.0, clock=clock, sleep=clock.sleep))
    assert bound.observed_s == HEAD_S
    assert observer.told == (HEAD_S + ENCODE_S, HEAD_S + ENCODE_S)
    assert request.codec == "raw", "nothing was packed after all"
