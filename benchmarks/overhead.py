"""What Partway adds to a request on loopback, beside a plain gRPC echo of the same bytes.

    python -m benchmarks.overhead [--sizes 4KiB 1MiB ...] [--rounds 60] [--unpinned] [--json]

The model is one `Neg` over a tensor of each size, so as many bytes come back as were sent, and next to nothing is
computed. A round asks each once, in an order drawn anew:

    transport the client's own transport: encode, gRPC, decode, queue, run, encode, gRPC, decode; checksums both ways
    session   an `InferenceSession` that sends the inputs every time, by a plan: what its user waits for
    echo      a gRPC server that sends back what it got, asked by a blocking call with the same channel options
    runtime   a plain session of ONNX Runtime on the same array, in this process

    overhead = (median transport or session - median runtime) / median echo

The mark is on the transport, which is what one request adds to gRPC. A session does more than that with each: it
decides, checks what it is fed and what comes back, learns from it, and keeps itself ready to answer without the server.
That is worth its time for models that compute something, not for a `Neg`; its overhead stands beside. The servers share
one core, the client has another. Exit status 1 when a size is over the mark.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import numpy as np
import onnx
from benchmarks.echo_server import METHOD
from benchmarks.ending import end_in_order
from benchmarks.loopback import Listening, listening, pinned, quartiles, settle, spread_of_ratio
from benchmarks.verdicts import Verdict, print_verdicts, status_of
from onnx import TensorProto, helper

from partway.client import InferenceSession
from partway.client.transport import connect
from partway.engine import OrtRuntime, OrtSession
from partway.graph import Source, canonicalise, device_only, server_only
from partway.link import Link
from partway.planning import CutCost, PlanDocument, make_plan
from partway.reporting import Column, print_table
from partway.units import format_duration, format_size, parse_size
from partway.wire import BINDING, DIGEST, InferRequest, Tensor

SIZES = ("4KiB", "64KiB", "256KiB", "1MiB", "4MiB", "8MiB")
MARK = 1.5
_TIMEOUT_S = 30.0
_WARM_UPS = 10
_DEVICE_S = 0.25  # that an emulated device takes alone, so that a session never takes it instead of the server
_LEAST_OFFLOADED = 0.95
_LOOPBACK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=1e-4)
_SETTLED_S = 0.5  # of asking, by which the server has optimised what there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One size.

    Attributes:
        size_bytes: of the tensor, each way.
        rounds: how often each was asked.
        transport_s: lower quartile, median and upper quartile of the round trip through the bare transport.
        session_s: of a session's whole request.
        echo_s: of the echo's.
        runtime_s: of ONNX Runtime's own run.
        overhead: (transport - runtime) / echo, of the medians.
        spread: 95 % of that ratio over rounds drawn anew.
        session_overhead: the same of the session.
        session_spread: 95 % of it.
        offloaded: share of the session's requests that the server answered.
    """

    size_bytes: int
    rounds: int
    transport_s: tuple[float, float, float]
    session_s: tuple[float, float, float]
    echo_s: tuple[float, float, float]
    runtime_s: tuple[float, float, float]
    overhead: float
    spread: tuple[float, float]
    session_overhead: float
    session_spread: tuple[float, float]
    offloaded: float


def neg_model(size_bytes: int, folder: Path) -> Path:
    """A model that negates a tensor of float32.

    Args:
        size_bytes: of the tensor.
        folder: where to write.
    """
    shape = (1, size_bytes // 4)
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "neg",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path = folder / f"neg{size_bytes}.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def sends_inputs(path: Path) -> PlanDocument:
    """A plan that keeps nothing but sending the inputs as they are, and the device alone for where that fails.

    Args:
        path: the model, of static shapes.
    """
    source = Source.open(path)
    model = canonicalise(source, source.bind(), OrtRuntime(threads=1))
    whole, alone = server_only(model), device_only(model)
    costs = [
        CutCost(
            crossing=cut.crossing,
            device_s=device_s,
            up_bytes=cut.up_bytes,
            server_s=0.0,
            down_bytes=cut.down_bytes if cut.offloaded else 0,
            offloaded=cut.offloaded,
        )
        for cut, device_s in ((whole, 0.0), (alone, 1.0))
    ]
    return make_plan(
        model=model.source_digest,
        binding=model.binding.encode(),
        costs=costs,
        device="this machine, slowed down",
        server="this machine",
        created_from="nothing measured: there is one way to go",
    )


def measure(path: Path, size_bytes: int, *, server: Listening, echo: Listening, rounds: int) -> Result:
    """One size, every way interleaved.

    Args:
        path: the model.
        size_bytes: of its tensor.
        server: Partway's.
        echo: the echo's.
        rounds: how often to ask each.
    """
    source = Source.open(path)
    array = np.random.default_rng(0).standard_normal(size_bytes // 4, dtype=np.float32).reshape(1, -1)
    request = InferRequest(
        model_name=path.stem,
        tensors=(Tensor(name="x", array=array),),
        outputs=("y",),
        parameters={DIGEST: source.digest, BINDING: source.bind_feeds({"x": array}).encode()},
    )
    content = array.tobytes()
    transport = connect(f"grpc://{server.address}", clock=time.perf_counter)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    runtime = OrtRuntime(threads=1).open(path)
    offloaded: list[bool] = []
    with (
        grpc.insecure_channel(echo.address, options=options) as channel,
        InferenceSession(
            path,
            server=f"grpc://{server.address}",
            threads=1,
            plan=sends_inputs(path),
            device_slowdown=_slowdown(runtime, array),
            prior_link=_LOOPBACK,
        ) as session,
    ):

        def ask_session() -> None:
            offloaded.append(session.run_detailed(None, {"x": array}).offloaded)

        call = channel.unary_unary(METHOD)
        ways: tuple[Callable[[], object], ...] = (
            lambda: transport.start(request, _TIMEOUT_S).result(),
            ask_session,
            lambda: call(content, timeout=_TIMEOUT_S),
            lambda: runtime.run({"x": array}),
        )
        settle(transport, request, for_s=_SETTLED_S)
        answer = transport.start(request, _TIMEOUT_S).result().response.tensors[0].array
        assert np.array_equal(answer, -array)
        assert len(call(content)) == answer.nbytes
        assert session.wait_until_ready({"x": array}, _TIMEOUT_S)
        assert np.array_equal(session.run(None, {"x": array})[0], -array)
        taken = _interleave(ways, rounds)
    transport.close()
    transport_s, session_s, echo_s, runtime_s = (quartiles(column) for column in taken)
    return Result(
        size_bytes=size_bytes,
        rounds=rounds,
        transport_s=transport_s,
        session_s=session_s,
        echo_s=echo_s,
        runtime_s=runtime_s,
        overhead=(transport_s[1] - runtime_s[1]) / echo_s[1],
        spread=spread_of_ratio(taken[0], taken[2], less=taken[3]),
        session_overhead=(session_s[1] - runtime_s[1]) / echo_s[1],
        session_spread=spread_of_ratio(taken[1], taken[2], less=taken[3]),
        offloaded=sum(offloaded) / len(offloaded),
    )


def _slowdown(runtime: OrtSession, array: np.ndarray) -> float:
    start_s = time.perf_counter()
    for _ in range(_WARM_UPS):
        runtime.run({"x": array})
    return max(1.0, _DEVICE_S * _WARM_UPS / (time.perf_counter() - start_s))


def _interleave(ways: Sequence[Callable[[], object]], rounds: int) -> tuple[list[float], ...]:
    """Seconds of every way, each once a round, in an order drawn anew for each."""
    rng = np.random.default_rng(0)
    taken: tuple[list[float], ...] = tuple([] for _ in ways)
    for number in range(_WARM_UPS + rounds):
        for way in rng.permutation(len(ways)):
            start_s = time.perf_counter()
            ways[way]()
            took_s = time.perf_counter() - start_s
            if number >= _WARM_UPS:
                taken[way].append(took_s)
    return taken


def show(results: Sequence[Result]) -> None:
    """The table."""
    print_table(
        f"Round trips on loopback: median (quartiles); overhead (95 % of it); the transport's to be {MARK:g} or less",
        (
            Column(title="each way"),
            Column(title="transport"),
            Column(title="session"),
            Column(title="ONNX Runtime"),
            Column(title="echo"),
            Column(title="overhead"),
            Column(title="session's"),
            Column(title="offloaded"),
        ),
        (
            (
                format_size(row.size_bytes),
                *(
                    f"{format_duration(middle)} ({format_duration(low)} to {format_duration(high)})"
                    for low, middle, high in (row.transport_s, row.session_s, row.runtime_s, row.echo_s)
                ),
                f"{row.overhead:.2f} ({row.spread[0]:.2f} to {row.spread[1]:.2f})",
                f"{row.session_overhead:.2f} ({row.session_spread[0]:.2f} to {row.session_spread[1]:.2f})",
                f"{row.offloaded:.0%}",
            )
            for row in results
        ),
    )


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """The marks: the transport's, and that the session's figures are of requests that the server answered."""
    marks: list[Verdict] = [
        (
            f"transport, {format_size(row.size_bytes)}",
            f"{row.overhead:.2f} of the echo's, {MARK:g} allowed; the session's {row.session_overhead:.2f}",
            row.overhead <= MARK,
        )
        for row in results
    ]
    least = min((row.offloaded for row in results), default=0.0)
    return [*marks, ("the session sent its inputs", f"{least:.0%} of its requests at least", least >= _LEAST_OFFLOADED)]


def main() -> int:
    """Measure every size and print; 1 when one is over the mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=parse_size, nargs="+", default=[parse_size(size) for size in SIZES])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--unpinned", action="store_true", help="let servers and client run on every core")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    end_in_order()
    cores = sorted(os.sched_getaffinity(0))
    server_cores, client_cores = (cores, cores) if arguments.unpinned else (cores[:1], cores[-1:])
    results = []
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        models, cache = Path(folder) / "models", Path(folder) / "cache"
        models.mkdir()
        paths = {int(size): neg_model(int(size), models) for size in arguments.sizes}
        serve = ("-m", "partway", "serve", str(models), "--port", "0")
        with (
            listening(("-m", "benchmarks.echo_server"), cores=server_cores, cache=cache) as echo,
            listening(serve, cores=server_cores, cache=cache) as server,
            pinned(client_cores),
        ):
            for size_bytes, path in paths.items():
                results.append(measure(path, size_bytes, server=server, echo=echo, rounds=arguments.rounds))
    marks = verdicts(results)
    if arguments.json:
        print(json.dumps({"rows": [asdict(result) for result in results], "verdicts": marks}, indent=2))
    else:
        show(results)
        print_verdicts(marks)
    return status_of(marks)


if __name__ == "__main__":
    sys.exit(main())
