"""Keep a server busy: requests at random moments, whether or not earlier ones are answered, as many clients send them.

    python -m benchmarks.load_generator grpc://127.0.0.1:8001 --model busy --rate 30 --seconds 20 [--json]
    python -m benchmarks.load_generator grpc://127.0.0.1:8001 --model busy --utilisation 0.7 --seconds 20

    exponential gaps -> a connection at random -> the same bytes every time -> answered | refused | failed

Arrivals are a Poisson process. A request is encoded once and its answers are not decoded, so that a request costs this
side half a millisecond; what it costs the server is up to the model (`benchmarks.busy_model`). Requests are spread over
many connections, since a server that is fair to its clients would let one connection wait for all others.

Input: a server, a model of it whose inputs are numbers, a rate. Output: what was sent, answered and refused, and
seconds of the answered. Called as a program, and by `benchmarks.figure15` and `benchmarks.faults` through `loading`.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

import grpc
import numpy as np
from benchmarks.cores import child

from partway.errors import InputError
from partway.wire import (
    InferRequest,
    Method,
    ModelQuery,
    Tensor,
    decode_model_metadata,
    dtype_of,
    encode_model_query,
    encode_request,
)

_CONNECTIONS = 32
_ALWAYS_WAITING = 4
_UNANSWERED_AFTER_S = 60.0
_LAST_ANSWERS_S = 5.0
_REFUSALS = ("RESOURCE_EXHAUSTED",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of the requests.

    Attributes:
        seconds: from the first request until told to stop.
        sent: requests.
        answered: with an answer, whatever it said.
        refused: because the server had enough to do.
        failed: all others, by the name of their status; unanswered at the end is `UNANSWERED`.
        mean_s: of the answered, until the answer; 0 without any.
        p95_s: the same.
    """

    seconds: float
    sent: int
    answered: int
    refused: int
    failed: dict[str, int]
    mean_s: float
    p95_s: float

    @property
    def rate_per_s(self) -> float:
        """Requests sent each second."""
        return self.sent / self.seconds if self.seconds else 0.0


def gaps_s(rate_per_s: float, generator: np.random.Generator) -> Iterator[float]:
    """Seconds between arrivals that know nothing of each other, without end.

    Args:
        rate_per_s: arrivals a second in the long run, above 0.
        generator: of the gaps.
    """
    while True:
        yield float(generator.exponential(1.0 / rate_per_s))


def address_of(url: str) -> str:
    """`host:port` of a server's URL."""
    return url.removeprefix("grpc://")


def open_channel(url: str) -> grpc.aio.Channel:
    """A connection of its own, which no other channel of this process shares."""
    options = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_http_proxy", 0),
    )
    return grpc.aio.insecure_channel(address_of(url), options=options)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """What tells a server who asks; nothing for the empty token."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def request_for(url: str, model: str) -> bytes:
    """The bytes of a request for a whole model, of ones.

    Args:
        url: of a server that has it ready.
        model: its name there.

    Raises:
        InputError: an input is no number.
    """
    with grpc.insecure_channel(address_of(url)) as channel:
        answer = channel.unary_unary(Method.MODEL_METADATA.path)(
            encode_model_query(ModelQuery(name=model)), wait_for_ready=True, timeout=_UNANSWERED_AFTER_S
        )
    tensors = []
    for declared in decode_model_metadata(answer).inputs:
        dtype = dtype_of(declared.datatype)
        if dtype == np.dtype(object):
            raise InputError(
                f"input {declared.name!r} of {model} is {declared.datatype}; a model of numbers was expected"
            )
        shape = tuple(max(1, length) for length in declared.shape)
        tensors.append(Tensor(name=declared.name, array=np.ones(shape, dtype)))
    return encode_request(InferRequest(model_name=model, tensors=tuple(tensors)))


def capacity_per_s(
    url: str, content: bytes, *, core: int | None = None, seconds: float = 3.0, token: str = ""
) -> float:
    """Requests that a server answers a second when there are always some to answer.

    A load of so many would use all of it, with what the messages cost the server and, on the same core, this side.

    Args:
        url: of a server with nothing else to do.
        content: of every request.
        core: that the process which asks stays on.
        seconds: how long to ask.
        token: of a server that wants one.
    """
    with child(core, _saturate, url, content, seconds, token) as pipe:
        found: float = pipe.recv()
    return found


def _saturate(pipe: Connection, url: str, content: bytes, seconds: float, token: str) -> None:
    metadata = bearer(token)

    async def ask_on(call: grpc.aio.UnaryUnaryMultiCallable, until_s: float) -> int:
        answered = 0
        while time.perf_counter() < until_s:
            await call(content, timeout=_UNANSWERED_AFTER_S, metadata=metadata)
            answered += 1
        return answered

    async def ask() -> float:
        async with open_channel(url) as channel:
            call = channel.unary_unary(Method.MODEL_INFER.path)
            await call(content, timeout=_UNANSWERED_AFTER_S, metadata=metadata)
            start_s = time.perf_counter()
            counts = await asyncio.gather(*(ask_on(call, start_s + seconds) for _ in range(_ALWAYS_WAITING)))
            return sum(counts) / (time.perf_counter() - start_s)

    pipe.send(asyncio.run(ask()))


class _Arrivals:
    # Sends until told to stop, and counts what comes back.
    def __init__(self, url: str, content: bytes, connections: int, generator: np.random.Generator) -> None:
        self._content = content
        self._generator = generator
        self._channels = [open_channel(url) for _ in range(connections)]
        self._calls = [channel.unary_unary(Method.MODEL_INFER.path) for channel in self._channels]
        self._pending: set[asyncio.Task[None]] = set()
        self.sent = 0
        self.seconds: list[float] = []
        self.failed: Counter[str] = Counter()

    def send(self) -> None:
        self.sent += 1
        call = self._calls[int(self._generator.integers(len(self._calls)))]
        task = asyncio.create_task(self._ask(call))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _ask(self, call: grpc.aio.UnaryUnaryMultiCallable) -> None:
        start_s = time.perf_counter()
        try:
            await call(self._content, timeout=_UNANSWERED_AFTER_S)
        except grpc.aio.AioRpcError as error:
            self.failed[error.code().name] += 1
        else:
            self.seconds.append(time.perf_counter() - start_s)

    async def close(self, patience_s: float) -> None:
        pending = tuple(self._pending)
        if pending:
            _, late = await asyncio.wait(pending, timeout=patience_s)
            self.failed["UNANSWERED"] += len(late)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    def report(self, seconds: float) -> Report:
        refused = sum(self.failed.pop(status, 0) for status in _REFUSALS)
        mean_s, p95_s = (
            (float(np.mean(self.seconds)), float(np.quantile(self.seconds, 0.95))) if self.seconds else (0, 0)
        )
        return Report(
            seconds=seconds,
            sent=self.sent,
            answered=len(self.seconds),
            refused=refused,
            failed={status: count for status, count in self.failed.items() if count},
            mean_s=mean_s,
            p95_s=p95_s,
        )


async def send_at(
    url: str,
    content: bytes,
    gaps: Iterator[float],
    stop: asyncio.Event,
    *,
    connections: int = _CONNECTIONS,
    patience_s: float = _LAST_ANSWERS_S,
    seed: int = 0,
) -> Report:
    """Send a request after each gap until told to stop or out of gaps, and say what came of it.

    A generator that falls behind sends what is due at once: the rate holds, the moments bunch.

    Args:
        url: of the server.
        content: of every request.
        gaps: seconds between them.
        stop: ends it.
        connections: to spread them over.
        patience_s: the longest to wait for the last answers.
        seed: of the choice of connections.
    """
    arrivals = _Arrivals(url, content, connections, np.random.default_rng(seed))
    start_s = due_s = time.perf_counter()
    for gap_s in gaps:
        due_s += gap_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due_s - time.perf_counter()))
        if stop.is_set():
            break
        arrivals.send()
    seconds = time.perf_counter() - start_s
    await arrivals.close(patience_s)
    return arrivals.report(seconds)


class Load:
    """Load that a process of its own makes."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def stop(self) -> Report:
        """End it, and say what came of its requests; once only."""
        self._pipe.send("stop")
        report: Report = self._pipe.recv()
        return report


@contextlib.contextmanager
def loading(url: str, content: bytes, rate_per_s: float, *, core: int | None = None, seed: int = 0) -> Iterator[Load]:
    """Load a server from a process of its own while the block lasts.

    Args:
        url: of the server.
        content: of every request.
        rate_per_s: requests a second, above 0.
        core: that the process stays on.
        seed: of moments and connections.
    """
    with child(core, _drive, url, content, rate_per_s, seed) as pipe:
        pipe.recv()  # it has begun
        yield Load(pipe)


def _drive(pipe: Connection, url: str, content: bytes, rate_per_s: float, seed: int) -> None:
    async def drive() -> Report:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), stop.set)
        pipe.send("begun")
        report = await send_at(url, content, gaps_s(rate_per_s, np.random.default_rng(seed)), stop, seed=seed)
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        return report

    report = asyncio.run(drive())
    with contextlib.suppress(OSError):  # nobody waits for the report any more
        pipe.send(report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="grpc://host:port")
    parser.add_argument("--model", required=True, help="its name on the server")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--rate", type=float, help="requests a second")
    wanted.add_argument("--utilisation", type=float, help="share of what the server can answer, which is measured")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=_CONNECTIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    content = request_for(given.url, given.model)
    rate_per_s = given.rate or given.utilisation * capacity_per_s(given.url, content)
    report = asyncio.run(
        send_at(
            given.url,
            content,
            until_s(gaps_s(rate_per_s, np.random.default_rng(given.seed)), given.seconds),
            asyncio.Event(),
            connections=given.connections,
            seed=given.seed,
        )
    )
    if given.json:
        print(json.dumps({"wanted_per_s": rate_per_s, "rate_per_s": report.rate_per_s, **asdict(report)}, indent=2))
        return 0
    failed = ", ".join(f"{count} {status}" for status, count in report.failed.items()) or "none"
    print(
        f"{report.sent} sent in {report.seconds:.1f} s ({report.rate_per_s:.1f}/s of {rate_per_s:.1f}/s wanted): "
        f"{report.answered} answered in {report.mean_s * 1e3:.1f} ms (95 %: {report.p95_s * 1e3:.1f} ms), "
        f"{report.refused} refused, failed: {failed}"
    )
    return 0


def until_s(gaps: Iterator[float], seconds: float) -> Iterator[float]:
    """The gaps that end within so many seconds."""
    ends = itertools.accumulate(gaps, lambda total, gap: total + gap)
    last_s = 0.0
    for end_s in itertools.takewhile(lambda end: end <= seconds, ends):
        yield end_s - last_s
        last_s = end_s


if __name__ == "__main__":
    sys.exit(main())
