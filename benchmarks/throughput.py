"""Requests a second that a busy server answers, beside what ONNX Runtime alone computes on the same core.

    python -m benchmarks.throughput [--model squeezenet resnet50] [--crossing 200kB 800kB] [--clients 4] [--rounds 8]
                                    [--window 1s] [--json]

For each model and size the tail is taken that sends about so much and computes for 5 to 50 ms. The server runs on one
core with one thread; clients on another keep as many requests in flight as there are clients, of bytes that were
encoded before, so that they cost little. A round is a window of each, in turn:

    bare      the tail in a plain session on the server's core, run after run, while the server is idle
    served    requests that the server answered

    throughput = served / bare, of each round
    tail's share = seconds that the core computes for a bare run / for an answer

The share says the same as the throughput of a core that is fully used, and hears less of what else the machine does.
Exit status 1 when a tail's median is under the mark.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import grpc
import numpy as np
from benchmarks.ending import end_in_order
from benchmarks.loopback import Listening, listening, pinned, quartiles, settle, spread_of_ratio
from benchmarks.verdicts import Verdict, print_verdicts, status_of
from tests.models import LIGHT_MODELS, light_model

from partway.client.transport import connect
from partway.engine import Level, OrtRuntime, PieceStore, random_feeds
from partway.graph import Cut, Model, Slicer, Source, canonicalise, single_tensor_cuts
from partway.reporting import Column, print_table
from partway.units import format_duration, format_size, parse_duration, parse_size
from partway.wire import BINDING, DIGEST, InferRequest, Method, Tensor, encode_request

MARK = 0.9
_LEAST_S, _MOST_S = 0.005, 0.050
_SETTLED_S = 3.0  # of asking, by which the server has optimised the graph and timed its tails
_TIMEOUT_S = 30.0
_TRIAL_RUNS = 5

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model.

    Attributes:
        model: its name.
        crossing: the tensor that is sent.
        up_bytes: of a request.
        tail_s: what a core computes for a bare run.
        clients: requests in flight.
        bare_per_s: lower quartile, median and upper quartile over the rounds.
        served_per_s: of the server.
        throughput: median of the rounds' served / bare.
        spread: 95 % of the ratio of medians over rounds drawn anew.
        tail_share: median of the rounds' seconds that a core computed for a bare run / for an answer.
    """

    model: str
    crossing: str
    up_bytes: int
    tail_s: float
    clients: int
    bare_per_s: tuple[float, float, float]
    served_per_s: tuple[float, float, float]
    throughput: float
    spread: tuple[float, float]
    tail_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    crossing: str
    feeds: Arrays
    run: Callable[[Arrays], Arrays]
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    per_s: float  # runs or answers
    cpu_s: float  # that a core computed for one


def choose_tail(model: Model, runtime: OrtRuntime, crossing_bytes: float) -> _Tail:
    """The tail to serve: of those that compute neither too shortly nor too long, the one that sends about so much.

    Args:
        model: the canonical graph.
        runtime: computes it.
        crossing_bytes: to be sent.

    Raises:
        SystemExit: there is none.
    """
    store = PieceStore(model, runtime)
    inputs = random_feeds(model.inputs, np.random.default_rng(0))

    def distance(cut: Cut) -> float:
        size_bytes = model.tensors[cut.crossing[0]].size_bytes or 1
        return abs(float(np.log(size_bytes / crossing_bytes)))

    for cut in sorted((cut for cut in single_tensor_cuts(model) if cut.head is not None), key=distance):
        assert cut.head is not None
        assert cut.tail is not None
        feeds = store.session(cut.head).run({name: inputs[name] for name in cut.head.inputs})
        graph = Slicer(model.graph, model.tensors).slice(cut.tail)
        run = runtime.load(graph, model.entry.directory, level=Level.ALL, prepack=True).run
        run(feeds)
        took_s = []
        for _ in range(_TRIAL_RUNS):
            start_s = time.thread_time()
            run(feeds)
            took_s.append(time.thread_time() - start_s)
        if _LEAST_S <= median(took_s) <= _MOST_S:
            return _Tail(crossing=cut.crossing[0], feeds=feeds, run=run, took_s=median(took_s))
    raise SystemExit(f"no tail of {model.source_digest} takes {_LEAST_S:g} to {_MOST_S:g} s here")


def run_bare(tail: _Tail, window_s: float) -> _Window:
    """A plain session for a while."""
    runs, start_s, start_cpu_s = 0, time.perf_counter(), time.thread_time()
    while time.perf_counter() - start_s < window_s:
        tail.run(tail.feeds)
        runs += 1
    return _Window(
        per_s=runs / (time.perf_counter() - start_s),
        cpu_s=(time.thread_time() - start_cpu_s) / runs,
    )


async def run_served(server: Listening, content: bytes, *, clients: int, window_s: float) -> _Window:
    """A server that is always asked, for a while.

    Args:
        server: the server.
        content: a request, encoded.
        clients: how many ask again as soon as they are answered, each on a connection of its own.
        window_s: how long to count.
    """
    ends_s: list[float] = []
    lasts_s, start_cpu_s = time.perf_counter() + window_s, server.cpu_s()
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

    async def client() -> None:
        async with grpc.aio.insecure_channel(server.address, options=options) as channel:
            call = channel.unary_unary(Method.MODEL_INFER.path)
            while time.perf_counter() < lasts_s:
                await call(content, timeout=_TIMEOUT_S)
                ends_s.append(time.perf_counter())

    await asyncio.gather(*(client() for _ in range(clients)))
    # Between two answers: neither the connecting before the first nor the emptying after the window counts.
    return _Window(
        per_s=rate_per_s([end_s for end_s in ends_s if end_s <= lasts_s], window_s),
        cpu_s=(server.cpu_s() - start_cpu_s) / len(ends_s),
    )


def rate_per_s(ends_s: Sequence[float], window_s: float) -> float:
    """Answers a second between the first and the last; over the whole window where all came at one instant, or none.

    Args:
        ends_s: when each came, ascending.
        window_s: how long was counted.
    """
    if len(ends_s) < 2 or ends_s[-1] <= ends_s[0]:
        return len(ends_s) / window_s
    return (len(ends_s) - 1) / (ends_s[-1] - ends_s[0])


def measure(name: str, tail: _Tail, content: bytes, server: Listening, arguments: argparse.Namespace) -> Result:
    """One model, both ways interleaved.

    Args:
        name: the model's.
        tail: what is computed.
        content: the request.
        server: serves it.
        arguments: of the command line, with `server_cores` and `client_cores`.
    """
    bare: list[_Window] = []
    served: list[_Window] = []
    for _ in range(arguments.rounds):
        with pinned(arguments.server_cores):
            bare.append(run_bare(tail, arguments.window))
        with pinned(arguments.client_cores):
            asking = run_served(server, content, clients=arguments.clients, window_s=arguments.window)
            served.append(asyncio.run(asking))
    bare_per_s, served_per_s = [window.per_s for window in bare], [window.per_s for window in served]
    return Result(
        model=name,
        crossing=tail.crossing,
        up_bytes=len(content),
        tail_s=median(window.cpu_s for window in bare),
        clients=arguments.clients,
        bare_per_s=quartiles(bare_per_s),
        served_per_s=quartiles(served_per_s),
        throughput=median(one.per_s / other.per_s for one, other in zip(served, bare, strict=True)),
        spread=spread_of_ratio(served_per_s, bare_per_s),
        tail_share=median(other.cpu_s / one.cpu_s for one, other in zip(served, bare, strict=True)),
    )


def examine(path: Path, crossing_bytes: float, server: Listening, cache: Path, arguments: argparse.Namespace) -> Result:
    """One tail: choose it, check the server's answer, measure.

    Args:
        path: the model.
        crossing_bytes: to be sent, about.
        server: serves it.
        cache: where canonical graphs go.
        arguments: of the command line.
    """
    os.environ["PARTWAY_CACHE"] = str(cache)
    runtime = OrtRuntime(threads=1)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    with pinned(arguments.server_cores):
        tail = choose_tail(model, runtime, crossing_bytes)
    request = InferRequest(
        model_name=path.stem,
        tensors=tuple(Tensor(name=tensor, array=array) for tensor, array in tail.feeds.items()),
        parameters={DIGEST: source.digest, BINDING: model.binding.encode()},
    )
    with pinned(arguments.client_cores):
        transport = connect(f"grpc://{server.address}", clock=time.perf_counter)
        settle(transport, request, for_s=_SETTLED_S)
        answer = transport.start(request, _TIMEOUT_S).result()
        transport.close()
    expected = tail.run(tail.feeds)
    for tensor in answer.response.tensors:
        np.testing.assert_allclose(tensor.array, expected[tensor.name], rtol=1e-3, atol=1e-5)
    return measure(path.stem, tail, encode_request(request), server, arguments)


def show(results: list[Result]) -> None:
    """The table."""
    print_table(
        f"Answers a second of a busy server over runs of a bare session, to be {MARK:g} or more",
        (
            Column(title="model", right=False),
            Column(title="sent"),
            Column(title="tail"),
            Column(title="clients"),
            Column(title="bare runs/s"),
            Column(title="answers/s"),
            Column(title="throughput"),
            Column(title="tail's share"),
        ),
        (
            (
                row.model,
                format_size(row.up_bytes),
                format_duration(row.tail_s),
                str(row.clients),
                *(
                    f"{middle:.1f} ({low:.1f} to {high:.1f})"
                    for low, middle, high in (row.bare_per_s, row.served_per_s)
                ),
                f"{row.throughput:.3f} ({row.spread[0]:.3f} to {row.spread[1]:.3f})",
                f"{row.tail_share:.3f}",
            )
            for row in results
        ),
    )


def verdicts(results: list[Result]) -> list[Verdict]:
    """The marks."""
    return [
        (
            f"{row.model}, {format_size(row.up_bytes)}",
            f"{row.throughput:.3f} of bare runs, {MARK:g} or more wanted; by seconds computed {row.tail_share:.3f}",
            row.throughput >= MARK,
        )
        for row in results
    ]


def main() -> int:
    """Measure every model and print; 1 when one is under the mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=LIGHT_MODELS, default=["squeezenet", "resnet50"])
    parser.add_argument(
        "--crossing", type=parse_size, nargs="+", default=[200e3, 800e3], metavar="SIZE", help="default 200kB 800kB"
    )
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--window", type=parse_duration, default=1.0, metavar="TIME", help="default 1s")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    end_in_order()
    cores = sorted(os.sched_getaffinity(0))
    arguments.server_cores, arguments.client_cores = cores[:1], cores[-1:]
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        models, cache = Path(folder) / "models", Path(folder) / "cache"
        models.mkdir()
        paths = [light_model(name, models) for name in arguments.model]
        serve = ("-m", "partway", "serve", str(models), "--port", "0", "--threads", "1")
        with listening(serve, cores=arguments.server_cores, cache=cache) as server:
            results = [examine(path, size, server, cache, arguments) for path in paths for size in arguments.crossing]
    marks = verdicts(results)
    if arguments.json:
        print(json.dumps({"rows": [asdict(result) for result in results], "verdicts": marks}, indent=2))
    else:
        show(results)
        print_verdicts(marks)
    return status_of(marks)


if __name__ == "__main__":
    sys.exit(main())
