"""Device-only, server-only and partway, asked in turn, every answer held against the whole model's.

    odd rounds     partway, settle | device-only | server-only       one request each, the same feeds, the same link
    even rounds    device-only | partway, settle | server-only

Input: feeds. Output: one `Attempt` a request, and summaries of many. Who goes first alternates, since the first
after a wait for the server finds cold caches. What partway learns behind its request is waited for, untimed: on the
one link here it would disturb the next way, and the next way it. Called by `partway bench` and `partway demo`.
"""

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from partway.client import Door, GrpcTransport, InferenceSession, Route
from partway.codecs import is_lossless
from partway.engine import Clock, Level, OrtRuntime
from partway.errors import PartwayError
from partway.graph import Model, server_only
from partway.verification import Difference, Tolerance, difference, tolerances_of
from partway.wire import BINDING, DIGEST, InferRequest, Tensor, decode_load

Feeds = Mapping[str, np.ndarray]


class Way(StrEnum):
    """Who computes; the values are the keys of `--json`."""

    PARTWAY = "partway"
    DEVICE_ONLY = "device_only"
    SERVER_ONLY = "server_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one way of answering gave.

    Attributes:
        outputs: arrays by name.
        crossing: tensors that were sent.
        offloaded: whether the server's answer is in the outputs.
        fell_back: whether the server was asked in vain.
        hedged: whether the device began to finish beside the server.
        codec: that they were sent under.
        server_s: queue and tail, as the server says; 0 where the device ran alone, or nobody noted it.
    """

    outputs: Feeds
    crossing: tuple[str, ...]
    offloaded: bool
    fell_back: bool = False
    hedged: bool = False
    codec: str = "raw"
    server_s: float = 0.0


Answer = Callable[[Feeds], Reply]


def _nothing() -> None:
    """Nothing is left to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request and what came of it.

    Attributes:
        way: who computed.
        total_s: until it was answered, or given up.
        lost: why there was no answer; empty when there was one.
        worst: the largest difference to the whole model's answer; None when lost.
        wrong: whether that is over tolerance.
        reply: the answer; None when lost.
    """

    way: Way
    total_s: float
    lost: str
    worst: Difference | None
    wrong: bool
    reply: Reply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Many requests of one way. Seconds are of the answered ones, NaN where there are none.

    Attributes:
        requests: how many were made.
        lost: how many were not answered.
        wrong: how many answers were over tolerance.
        mean_s: of the answered.
        median_s: of the answered.
        p95_s: of the answered.
        worst: the largest difference, as a share of the outputs' scale.
    """

    requests: int
    lost: int
    wrong: int
    mean_s: float
    median_s: float
    p95_s: float
    worst: float


class Judge:
    """Knows the whole model's answers, from the author's own file in a plain session.

    Args:
        path: the file.
        values: inputs held constant.
        threads: of the plain session.
        max_error: share of an output's scale that answers may be off by where a lossy codec carried them.
    """

    def __init__(self, path: Path, *, values: Feeds, threads: int | None = None, max_error: float = 0.0) -> None:
        runtime = OrtRuntime(threads=threads)
        self._max_error = max_error
        self._values = values
        self._whole = runtime.open(path)
        self._basic = runtime.open(path, level=Level.BASIC)
        self._known: dict[int, tuple[Feeds, dict[str, np.ndarray], dict[str, Tolerance]]] = {}

    def reference(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """The whole model's answer."""
        return self._expected(feeds)[0]

    def compare(self, feeds: Feeds, outputs: Feeds, *, codec: str = "raw") -> tuple[Difference, bool]:
        """The largest difference over the outputs given, and whether one is over its tolerance.

        Args:
            feeds: what was asked.
            outputs: what came back.
            codec: that crossing tensors travelled under.
        """
        reference, tolerances = self._expected(feeds)
        budget = 0.0 if is_lossless((codec,)) else self._max_error
        found = {name: difference(reference[name], array) for name, array in outputs.items()}
        wrong = any(
            item.absolute > tolerances[name].absolute and not item.relative <= budget for name, item in found.items()
        )
        return max(found.values(), key=lambda item: item.relative), wrong

    def _expected(self, feeds: Feeds) -> tuple[dict[str, np.ndarray], dict[str, Tolerance]]:
        # Keyed by identity: feeds are made once and asked many times. They are kept, so that no id is used twice.
        if id(feeds) not in self._known:
            given = {**feeds, **self._values}
            reference, basic = self._whole.run(given), self._basic.run(given)
            self._known[id(feeds)] = feeds, reference, tolerances_of(reference, basic)
        return self._known[id(feeds)][1:]


class Contest:
    """Makes requests in each way and judges them.

    Args:
        answers: how each way answers.
        judge: knows the right answers.
        settle: returns when nothing goes on behind partway's request any more.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        answers: Mapping[Way, Answer],
        judge: Judge,
        *,
        settle: Callable[[], None] = _nothing,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._answers = answers
        self._judge = judge
        self._settle = settle
        self._clock = clock
        self._orders = itertools.cycle(
            ((Way.PARTWAY, Way.DEVICE_ONLY, Way.SERVER_ONLY), (Way.DEVICE_ONLY, Way.PARTWAY, Way.SERVER_ONLY))
        )

    def round(self, feeds: Feeds) -> dict[Way, Attempt]:
        """One request in every way, one after the other."""
        return {way: self.request(way, feeds) for way in next(self._orders)}

    def request(self, way: Way, feeds: Feeds) -> Attempt:
        """One request, timed and judged."""
        reply, lost = None, ""
        start_s = self._clock()
        try:
            reply = self._answers[way](feeds)
        except PartwayError as error:
            lost = str(error)
        total_s = self._clock() - start_s
        if way is Way.PARTWAY:
            self._settle()
        worst, wrong = None, False
        if reply is not None:
            worst, wrong = self._judge.compare(feeds, reply.outputs, codec=reply.codec)
        return Attempt(way=way, total_s=total_s, lost=lost, worst=worst, wrong=wrong, reply=reply)


def answer_with(session: InferenceSession) -> Answer:
    """Answer as a session does: partway, or device-only if it has no server."""

    def answer(feeds: Feeds) -> Reply:
        result = session.run_detailed(None, feeds)
        return Reply(
            outputs=dict(zip(result.output_names, result.outputs, strict=True)),
            crossing=result.crossing,
            offloaded=result.offloaded,
            fell_back=result.fell_back,
            hedged=result.hedged,
            codec=result.codec,
        )

    return answer


@contextlib.contextmanager
def answer_remotely(route: Route, model: Model, *, model_name: str, timeout_s: float) -> Iterator[Answer]:
    """Answer by sending the inputs to the server, with nothing to fall back on.

    Args:
        route: to the server.
        model: the canonical graph.
        model_name: its name on the server.
        timeout_s: a request is lost after so long.

    Raises:
        InputError: the model's inputs cannot be sent, or the credentials cannot be used.
    """
    cut = server_only(model)
    parameters = {DIGEST: model.source_digest, BINDING: model.binding.encode()}
    outputs = cut.tail.outputs if cut.tail is not None else ()
    transport = GrpcTransport(Door(route), clock=time.perf_counter)

    def answer(feeds: Feeds) -> Reply:
        tensors = tuple(Tensor(name=name, array=np.ascontiguousarray(feeds[name])) for name in cut.crossing)
        request = InferRequest(model_name=model_name, tensors=tensors, outputs=outputs, parameters=parameters)
        response = transport.start(request, timeout_s).result().response
        arrays = {tensor.name: tensor.array for tensor in response.tensors}
        load = decode_load(response.parameters)
        server_s = 0.0 if load is None else load.residence_s
        return Reply(outputs=arrays, crossing=cut.crossing, offloaded=True, server_s=server_s)

    try:
        yield answer
    finally:
        transport.close()


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """What many requests of one way came to."""
    seconds = [attempt.total_s for attempt in attempts if not attempt.lost]
    median_s, p95_s = (float(q) for q in np.quantile(seconds, (0.5, 0.95))) if seconds else (np.nan, np.nan)
    return Summary(
        requests=len(attempts),
        lost=len(attempts) - len(seconds),
        wrong=sum(attempt.wrong for attempt in attempts),
        mean_s=float(np.mean(seconds)) if seconds else np.nan,
        median_s=median_s,
        p95_s=p95_s,
        worst=max((attempt.worst.relative for attempt in attempts if attempt.worst is not None), default=0.0),
    )


def cuts_used(attempts: Sequence[Attempt]) -> Counter[tuple[tuple[str, ...], str]]:
    """How often each cut answered: the tensors sent, none for the device alone, and their codec."""
    replies = (attempt.reply for attempt in attempts if attempt.reply is not None)
    return Counter((reply.crossing, reply.codec) if reply.offloaded else ((), "raw") for reply in replies)


def fallbacks(attempts: Sequence[Attempt]) -> int:
    """How many requests asked the server in vain and were finished by the device."""
    return sum(attempt.reply.fell_back for attempt in attempts if attempt.reply is not None)
