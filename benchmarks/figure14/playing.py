"""Real requests over the stage: partway's, and now and then the two fixed ways, every answer held against the model's.

Input: a stage, a model and how slow the device is. Output: what each request took and when. Called by the benchmarks of
changing and of steady links.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.families import family_model
from benchmarks.stage import Stage
from tests.models import light_model

from partway.cli.bench_contest import Answer, Judge, answer_remotely, answer_with
from partway.client import InferenceSession, Result, Route
from partway.engine import OrtRuntime, random_feeds
from partway.errors import InputError, PartwayError, ServerUnavailable
from partway.graph import Source, canonicalise
from partway.link import Link
from partway.planning import CostTable

# Far quicker than any link that is replayed, and not quicker than its emulation.
QUICK = Link(uplink_bytes_per_s=25e6, downlink_bytes_per_s=25e6, rtt_s=0.002)

_FEEDS = 3
_READY_S = 120.0
_TIMEOUT_S = 60.0  # a trace may all but stand still; nothing that was sent is to be lost for want of patience
_CALIBRATIONS = 9

Feeds = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of one way.

    Attributes:
        at_s: when it was made, in seconds of the trace.
        total_s: until it was answered, or given up.
        lost: why there was no answer; empty when there was one.
        wrong: whether the answer differs from the whole model's by more than it may.
        server_s: of server-only's, queue and tail as the server says; 0 elsewhere.
    """

    at_s: float
    total_s: float
    lost: str = ""
    wrong: bool = False
    server_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartwayAsk(Ask):
    """One request of partway.

    Attributes:
        result: what it came to, without the outputs; None when lost.
    """

    result: Result | None = None


def open_model(name: str, folder: Path) -> Path:
    """The file of a model that is played with: `alexnet`, or a family with a seed as `convnext-0`.

    Args:
        name: of the model.
        folder: where it may be written.

    Raises:
        InputError: there is no such model.
    """
    if name == "alexnet":
        return light_model("bvlc_alexnet", folder)
    family, _, seed = name.rpartition("-")
    if not seed.isdecimal():
        raise InputError(f"{name!r} is no model; expected alexnet, or a family and a seed such as convnext-0")
    return family_model(family, int(seed), folder)


class Players:
    """Partway, device-only and server-only on one stage, for one model.

    Args:
        it: the stage.
        path: the model.
        partway: the session under test.
        device: answers on the device alone.
        server: answers by the server alone.
        feeds: what is asked, in turn.
    """

    def __init__(
        self, it: Stage, path: Path, *, partway: InferenceSession, device: Answer, server: Answer, feeds: list[Feeds]
    ) -> None:
        self._it, self._partway, self._device, self._server = it, partway, device, server
        self._judge = Judge(path, values={}, threads=1)
        self._feeds, self._asked = feeds, 0
        for feed in feeds:
            self._judge.reference(feed)

    @property
    def table(self) -> CostTable:
        """What partway believes its cuts to cost.

        Raises:
            ServerUnavailable: it does not know yet.
        """
        table = self._partway.costs(self._feeds[0])
        if table is None:
            raise ServerUnavailable("the costs of the cuts did not become known; does the server serve this model?")
        return table

    def settle(self) -> None:
        """Wait until nothing of partway's goes on in the background."""
        self._partway.settle()

    def partway(self) -> PartwayAsk:
        """One request of partway."""
        feeds = self._next()
        at_s, start_s = self._it.position_s(time.monotonic()), time.perf_counter()
        try:
            result = self._partway.run_detailed(None, feeds)
        except PartwayError as error:
            return PartwayAsk(at_s=at_s, total_s=time.perf_counter() - start_s, lost=str(error))
        total_s = time.perf_counter() - start_s
        outputs = dict(zip(result.output_names, result.outputs, strict=True))
        _, wrong = self._judge.compare(feeds, outputs, codec=result.codec)
        return PartwayAsk(at_s=at_s, total_s=total_s, wrong=wrong, result=result)

    def device_only(self) -> Ask:
        """One request on the device alone."""
        return self._ask(self._device)

    def server_only(self) -> Ask:
        """One request that sends the inputs as they are."""
        return self._ask(self._server)

    def _ask(self, answer: Answer) -> Ask:
        feeds = self._next()
        at_s, start_s = self._it.position_s(time.monotonic()), time.perf_counter()
        try:
            reply = answer(feeds)
        except PartwayError as error:
            return Ask(at_s=at_s, total_s=time.perf_counter() - start_s, lost=str(error))
        total_s = time.perf_counter() - start_s
        _, wrong = self._judge.compare(feeds, reply.outputs)
        return Ask(at_s=at_s, total_s=total_s, wrong=wrong, server_s=reply.server_s)

    def _next(self) -> Feeds:
        self._asked += 1
        return self._feeds[self._asked % len(self._feeds)]


@contextlib.contextmanager
def players(it: Stage, path: Path, *, slowdown: float, quick: Link = QUICK) -> Iterator[Players]:
    """Everybody who answers, ready: costs are known, connections open. The link is left quick.

    Args:
        it: the stage, whose server serves the model.
        path: the model.
        slowdown: of the device.
        quick: the link to begin on; with the round trip of the links that follow, where rates alone are to change.

    Raises:
        PartwayError: the model cannot be played.
    """
    it.set_link(quick)
    runtime = OrtRuntime(threads=1)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    feeds: list[Feeds] = [random_feeds(model.inputs, np.random.default_rng(seed)) for seed in range(_FEEDS)]

    host, port = it.address
    route = Route(scheme="grpc", host=host, port=port)

    def session(server: str | None) -> InferenceSession:
        return InferenceSession(path, server=server, threads=1, device_slowdown=slowdown, timeout_s=_TIMEOUT_S)

    with (
        session(it.server_url) as partway,
        session(None) as device,
        answer_remotely(route, model, model_name=path.stem, timeout_s=_TIMEOUT_S) as server,
    ):
        if not partway.wait_until_ready(feeds[0], _READY_S):
            raise ServerUnavailable(f"the costs of {path.stem} did not become known within {_READY_S:.0f} s")
        found = Players(it, path, partway=partway, device=answer_with(device), server=server, feeds=feeds)
        # Connected while that is quick: whoever connects over a slow link waits behind what others send.
        for first in (found.device_only(), found.server_only()):
            if first.lost:
                raise ServerUnavailable(f"a fixed way did not answer on a quick link: {first.lost}")
        yield found


def quick_server_only_s(who: Players) -> float:
    """What server-only takes on the link as it is, in seconds: the median of a few requests."""
    who.settle()
    return median(who.server_only().total_s for _ in range(_CALIBRATIONS))
