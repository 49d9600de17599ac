"""Requests a second with batches and without, of models that leave the number of rows open.

    python -m benchmarks.batching [--model dense real/magika ...] [--clients 8] [--rounds 8] [--window 2s] [--json]

Two servers share a core, one with `--batch-size 1`; clients on another core keep as many requests in flight as there
are clients, each on a connection of its own. One server is asked at a time, so the other takes nothing. A round is a
window of each of four, in turn:

    one       a plain session of ONNX Runtime on the server's core, one row a run, run after run
    eight     the same, eight rows a run; rows are counted
    without   requests that the server without batches answered
    with      requests that the server with batches answered

    gain = with / without, bare gain = eight / one, of each round

`dense` is three products of 2048 x 2048 at one row each, which wait for their weights: where batches pay most. Before
anything is counted, answers are compared with the plain session's. Decision: docs/decisions/0011.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from benchmarks.ending import end_in_order
from benchmarks.loopback import Listening, listening, pinned, quartiles, spread_of_ratio
from benchmarks.model_lists import open_subject
from benchmarks.throughput import run_served
from onnx import TensorProto, helper, numpy_helper

from partway.client.transport import connect
from partway.engine import OrtRuntime, OrtSession
from partway.graph import Source
from partway.reporting import Column, print_table
from partway.units import parse_duration
from partway.verification import difference, tolerance_of
from partway.wire import BINDING, DIGEST, InferRequest, Tensor, encode_request

ROWS = 8
_DENSE = "dense"
_MODELS = (_DENSE, "real/magika", "real/ppocr-cls", "real/ppocr-rec")
_SETTLED_S = 8.0  # of asking, by which batches are prepared and tried
_PATIENCE_S = 60.0

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model.

    Attributes:
        model: its name.
        clients: requests in flight.
        one_per_s: lower quartile, median and upper quartile over the rounds of runs of one row.
        eight_per_s: of rows, in runs of eight.
        without_per_s: of answers of the server without batches.
        with_per_s: of answers of the server with batches.
        gain: median of the rounds' with / without.
        gain_spread: 95 % of the ratio of medians over rounds drawn anew.
        bare_gain: the same of eight / one.
        bare_gain_spread: its spread.
    """

    model: str
    clients: int
    one_per_s: tuple[float, float, float]
    eight_per_s: tuple[float, float, float]
    without_per_s: tuple[float, float, float]
    with_per_s: tuple[float, float, float]
    gain: float
    gain_spread: tuple[float, float]
    bare_gain: float
    bare_gain_spread: tuple[float, float]


def dense_model(folder: Path, *, width: int = 2048, depth: int = 3) -> Path:
    """Products of one row each, one after the other, with the number of rows left open."""
    generator = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for layer in range(depth):
        weight = (generator.standard_normal((width, width)) * (2.0 / width) ** 0.5).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        nodes.append(helper.make_node("Gemm", [name, f"w{layer}"], [f"a{layer}"]))
        nodes.append(helper.make_node("Relu", [f"a{layer}"], [name := f"h{layer}"]))
    x, y = (helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["rows", width]) for tensor in ("x", name))
    model = helper.make_model(
        helper.make_graph(nodes, _DENSE, [x], [y], weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    path = folder / f"{_DENSE}.onnx"
    onnx.save(model, path)
    return path


def place(name: str, folder: Path) -> tuple[Path, Arrays]:
    """A model's file in the folder that is served, and feeds of one row."""
    if name == _DENSE:
        return dense_model(folder), {"x": np.random.default_rng(1).standard_normal((1, 2048)).astype(np.float32)}
    subject = open_subject(name, folder)
    path = folder / f"{name.rpartition('/')[2]}.onnx"
    if not path.exists():
        path.symlink_to(subject.path)
    return path, subject.feeds


def bare_per_s(session: OrtSession, feeds: Arrays, *, rows: int, window_s: float) -> float:
    """Rows a second of a plain session that runs so many at a time."""
    stacked = {name: np.concatenate([array] * rows) for name, array in feeds.items()}
    runs, start_s = 0, time.perf_counter()
    while time.perf_counter() - start_s < window_s:
        session.run(stacked)
        runs += 1
    return rows * runs / (time.perf_counter() - start_s)


def check(server: Listening, request: InferRequest, expected: Arrays) -> None:
    """Wait until the server answers, and compare.

    Raises:
        SystemExit: the answer is not the plain session's.
    """
    transport = connect(f"grpc://{server.address}", clock=time.perf_counter)
    answer = transport.start(request, _PATIENCE_S).result()
    transport.close()
    for tensor in answer.response.tensors:
        reference = expected[tensor.name]
        if difference(reference, tensor.array).absolute > tolerance_of(reference, 0.0).absolute:
            raise SystemExit(f"{request.model_name} answers another {tensor.name} than a plain session")


def measure(
    name: str, path: Path, feeds: Arrays, servers: tuple[Listening, Listening], arguments: argparse.Namespace
) -> Result:
    """One model, four ways interleaved.

    Args:
        name: the model's.
        path: its file.
        feeds: of one row.
        servers: without batches, and with them.
        arguments: of the command line, with `server_cores` and `client_cores`.
    """
    source = Source.open(path)
    request = InferRequest(
        model_name=path.stem,
        tensors=tuple(Tensor(name=tensor, array=array) for tensor, array in feeds.items()),
        parameters={DIGEST: source.digest, BINDING: source.bind_feeds(feeds).encode()},
    )
    content = encode_request(request)
    with pinned(arguments.server_cores):
        session = OrtRuntime(threads=1).open(path)
    for server in servers:
        check(server, request, session.run(feeds))
        _ask(server, content, arguments, _SETTLED_S)
        check(server, request, session.run(feeds))
    rounds: dict[str, list[float]] = {"one": [], "eight": [], "without": [], "with": []}
    for _ in range(arguments.rounds):
        with pinned(arguments.server_cores):
            rounds["one"].append(bare_per_s(session, feeds, rows=1, window_s=arguments.window))
            rounds["eight"].append(bare_per_s(session, feeds, rows=ROWS, window_s=arguments.window))
        rounds["without"].append(_ask(servers[0], content, arguments, arguments.window))
        rounds["with"].append(_ask(servers[1], content, arguments, arguments.window))
    return Result(
        model=name,
        clients=arguments.clients,
        one_per_s=quartiles(rounds["one"]),
        eight_per_s=quartiles(rounds["eight"]),
        without_per_s=quartiles(rounds["without"]),
        with_per_s=quartiles(rounds["with"]),
        gain=_ratio(rounds["with"], rounds["without"]),
        gain_spread=spread_of_ratio(rounds["with"], rounds["without"]),
        bare_gain=_ratio(rounds["eight"], rounds["one"]),
        bare_gain_spread=spread_of_ratio(rounds["eight"], rounds["one"]),
    )


def _ask(server: Listening, content: bytes, arguments: argparse.Namespace, window_s: float) -> float:
    with pinned(arguments.client_cores):
        asking = run_served(server, content, clients=arguments.clients, window_s=window_s)
        return asyncio.run(asking).per_s


def _ratio(above: list[float], below: list[float]) -> float:
    return median(one / other for one, other in zip(above, below, strict=True))


def show(results: list[Result]) -> None:
    """The table."""
    print_table(
        "Answers a second with batches over those without, and what a plain session gains by eight rows a run",
        (
            Column(title="model", right=False),
            Column(title="clients"),
            Column(title="bare runs/s"),
            Column(title="bare rows/s, by 8"),
            Column(title="answers/s without"),
            Column(title="with"),
            Column(title="gain"),
            Column(title="bare gain"),
        ),
        (
            (
                row.model,
                str(row.clients),
                *(f"{rates[1]:.1f}" for rates in (row.one_per_s, row.eight_per_s, row.without_per_s, row.with_per_s)),
                f"{row.gain:.2f} ({row.gain_spread[0]:.2f} to {row.gain_spread[1]:.2f})",
                f"{row.bare_gain:.2f} ({row.bare_gain_spread[0]:.2f} to {row.bare_gain_spread[1]:.2f})",
            )
            for row in results
        ),
    )


def main() -> int:
    """Measure every model and print; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=list(_MODELS), metavar="NAME")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--window", type=parse_duration, default=2.0, metavar="TIME", help="default 2s")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    end_in_order()
    cores = sorted(os.sched_getaffinity(0))
    arguments.server_cores, arguments.client_cores = cores[:1], cores[-1:]
    with tempfile.TemporaryDirectory(prefix="partway-") as name:
        folder = Path(name)
        models, cache = folder / "models", folder / "cache"
        models.mkdir()
        os.environ["PARTWAY_CACHE"] = str(cache)
        placed = [(model, *place(model, models)) for model in arguments.model]
        serve = ["-m", "partway", "serve", str(models), "--port", "0", "--threads", "1"]
        with (
            listening([*serve, "--batch-size", "1"], cores=arguments.server_cores, cache=cache) as without,
            listening(serve, cores=arguments.server_cores, cache=cache) as batching,
        ):
            results = [measure(model, path, feeds, (without, batching), arguments) for model, path, feeds in placed]
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
