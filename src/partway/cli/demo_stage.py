"""What the demo plays with: models, pages, a server process, a link in between, and the three ways of answering.

Input: options of the demo. Output: a `Stage` for as long as a block lasts; whatever was started is ended with it.
Called by `partway demo`.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from partway.cli.bench_contest import Attempt, Contest, Feeds, Judge, Way, answer_remotely, answer_with
from partway.cli.bench_server import LocalServer, serve_locally
from partway.cli.demo_models import OcrModels
from partway.cli.demo_script import Phase
from partway.client import InferenceSession, Route
from partway.engine import OrtRuntime
from partway.errors import PartwayError
from partway.graph import Model, Source, canonicalise
from partway.link import Link, RunningEmulator, run_emulator
from partway.planning import CostTable

TIMEOUT_S = 2.0
_READY_S = 45.0
_LEARNING_LINK = Link(uplink_bytes_per_s=1.25e7, downlink_bytes_per_s=2.5e7, rtt_s=0.02)
_UNDER_WAY_BYTES = 65_536  # a request that is so far up has been begun and, being ten times as large, not ended
_ATTEMPTS = 10
_GLANCE_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that the demo plays with.

    Attributes:
        model: the canonical graph of the one that is cut.
        feeds: batches to ask about.
        server: the process.
        link: the proxy before it.
        contest: asks in three ways, and judges.
        costs: what every cut costs, as measured at the start.
    """

    model: Model
    feeds: tuple[Feeds, ...]
    server: LocalServer
    link: RunningEmulator
    contest: Contest
    costs: CostTable

    def enter(self, phase: Phase) -> None:
        """Let the link be the phase's."""
        if phase.link is None:
            self.link.blackhole()
        else:
            self.link.restore()
            self.link.set_link(phase.link)

    def kill_server_in_a_request(self, feeds: Feeds) -> tuple[Attempt, int]:
        """Ask partway, and end the server while the request is on its way up.

        Returns:
            What came of the request, and how many bytes had gone up by then.
        """
        with ThreadPoolExecutor(1) as pool:
            for _ in range(_ATTEMPTS):
                # Nothing else is sent meanwhile: the contest waits for what goes on behind a request.
                before_bytes = self.link.counters.up_bytes
                request: Future[Attempt] = pool.submit(self.contest.request, Way.PARTWAY, feeds)
                while not request.done():
                    sent_bytes = self.link.counters.up_bytes - before_bytes
                    if sent_bytes >= _UNDER_WAY_BYTES:
                        self.server.kill()
                        return request.result(), sent_bytes
                    time.sleep(_GLANCE_S)
        # The device ran alone every time, so that there was no middle to kill the server in.
        self.server.kill()
        return self.contest.request(Way.PARTWAY, feeds), 0


def offloads(attempt: Attempt) -> bool:
    """Whether the server had a part in the answer."""
    return attempt.reply is not None and attempt.reply.offloaded


@contextlib.contextmanager
def set_stage(models: OcrModels, batches: tuple[np.ndarray, ...], *, device_slowdown: float) -> Iterator[Stage]:
    """Start the server and the link, and learn what every cut costs.

    Args:
        models: the trained models.
        batches: inputs of the model that is cut.
        device_slowdown: how many times slower than one core of this machine the device is.

    Raises:
        PartwayError: the server does not start or does not answer.
    """
    path = models.turner
    source = Source.open(path)
    feeds = tuple({source.inputs[0].name: batch} for batch in batches)
    model = canonicalise(source, source.bind_feeds(feeds[0]), OrtRuntime())
    # Two machines in one: the device has one core, the server all others, so that neither takes the other's time.
    server_threads = max(1, (os.cpu_count() or 1) - 1)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve_locally((path,), threads=server_threads))
        link = stack.enter_context(run_emulator(server.address, _LEARNING_LINK))
        route = Route(scheme="grpc", host=link.address[0], port=link.address[1])
        # All three send raw tensors: a rendered page has so much white that any codec would steal the cut's show.
        partway, device = (
            stack.enter_context(
                InferenceSession(
                    path, server=to, threads=1, timeout_s=TIMEOUT_S, device_slowdown=device_slowdown, codecs=()
                )
            )
            for to in (route.url, None)
        )
        remote = stack.enter_context(answer_remotely(route, model, model_name=path.stem, timeout_s=TIMEOUT_S))
        answers = {
            Way.PARTWAY: answer_with(partway),
            Way.DEVICE_ONLY: answer_with(device),
            Way.SERVER_ONLY: remote,
        }
        contest = Contest(answers, Judge(path, values={}), settle=partway.settle)
        partway.wait_until_ready(feeds[0], _READY_S)
        for one in feeds:
            contest.round(one)  # warms all three up, and the whole model's answers with them
        costs = partway.costs(feeds[0])
        if costs is None or len(costs) < 2:
            raise PartwayError(f"the server did not say within {_READY_S:g} s what its part costs; run the demo again")
        yield Stage(model=model, feeds=feeds, server=server, link=link, contest=contest, costs=costs)
