"""The command; see the package's docstring."""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import grpc
import numpy as np
import psutil
from benchmarks.fuzzing import __doc__ as description
from benchmarks.fuzzing.decoders import Tally, fuzz_decoders
from benchmarks.fuzzing.faces import FaceTally, fuzz_grpc, fuzz_rest
from benchmarks.fuzzing.model import FEEDS, MODEL, expected, write_model
from tests.processes import ServerProcess, serving

from partway.reporting import Column, follow, print_lines, print_table
from partway.units import format_count, format_duration, format_size
from partway.wire import InferRequest, Method, Tensor, decode_response, encode_request

_TO_DECODERS, _TO_GRPC = 0.7, 0.2
_MOST_GROWTH_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAfter:
    """The server once all was sent.

    Attributes:
        alive: whether the process runs.
        right: whether it answers a good request rightly.
        grown_bytes: how much more memory it holds than before.
        peak_bytes: the most that it held at any time.
        open_files: how many more than before.
        failures: what it logged of failures of its own.
    """

    alive: bool
    right: bool
    grown_bytes: int
    peak_bytes: int
    open_files: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether it is as well as before."""
        return self.alive and self.right and self.grown_bytes <= _MOST_GROWTH_BYTES and not self.failures


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz and print; 0 where nothing was found, else 1."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, metavar="N", help="how many in all (default 1000000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the mutations (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there, too")
    arguments = parser.parse_args(argv)
    start_s = time.perf_counter()
    to_decoders, to_grpc = (round(share * arguments.inputs) for share in (_TO_DECODERS, _TO_GRPC))
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with follow("decoders") as progress:
        tallies = fuzz_decoders(to_decoders, seed=arguments.seed, progress=lambda done: progress(done, to_decoders))
    grown_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before_bytes
    faces, after = _fuzz_server(to_grpc, arguments.inputs - to_decoders - to_grpc, seed=arguments.seed)
    _print(tallies, faces, after, grown_bytes, time.perf_counter() - start_s)
    passed = all(tally.passed for tally in tallies) and all(face.passed for face in faces) and after.passed
    if arguments.json is not None:
        found = {
            "decoders": [_plain(tally) for tally in tallies],
            "faces": [_plain(tally) for tally in faces],
            "server": asdict(after),
            "decoders_grown_bytes": grown_bytes,
            "passed": passed,
        }
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if passed else 1


def _plain(tally: Tally | FaceTally) -> dict[str, object]:
    # `asdict` would count a counter's pairs instead of keeping them.
    found = {item.name: getattr(tally, item.name) for item in fields(tally)}
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in found.items()}


def _fuzz_server(to_grpc: int, to_rest: int, *, seed: int) -> tuple[list[FaceTally], ServerAfter]:
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        repository = Path(folder) / "models"
        write_model(repository)
        log = Path(folder) / "log"
        with (
            log.open("wb") as errors,
            serving(repository, "--rest-port", "0", "--threads", "1", errors=errors) as server,
        ):
            grpc_address, rest_address = server.url.removeprefix("grpc://"), server.rest_address
            assert rest_address is not None
            _ask(grpc_address)
            process = psutil.Process(server.process.pid)
            # The first inputs bind models and fill caches, which is no growth.
            asyncio.run(fuzz_grpc(grpc_address, to_grpc // 20, model=MODEL, seed=seed + 1, progress=_ignore))
            asyncio.run(fuzz_rest(rest_address, to_rest // 20, model=MODEL, seed=seed + 1, progress=_ignore))
            before_bytes, before_files = process.memory_info().rss, process.num_fds()
            with follow("gRPC") as progress:
                over_grpc = asyncio.run(
                    fuzz_grpc(grpc_address, to_grpc, model=MODEL, seed=seed, progress=lambda n: progress(n, to_grpc))
                )
            with follow("REST") as progress:
                over_rest = asyncio.run(
                    fuzz_rest(rest_address, to_rest, model=MODEL, seed=seed, progress=lambda n: progress(n, to_rest))
                )
            return [over_grpc, over_rest], _look(server, process, before_bytes, before_files, log)


def _ignore(_done: int) -> None:
    pass


def _look(
    server: ServerProcess, process: psutil.Process, before_bytes: int, before_files: int, log: Path
) -> ServerAfter:
    alive = server.process.poll() is None
    right = alive and _ask(server.url.removeprefix("grpc://"))
    failures = [
        line for line in log.read_text("utf-8", "replace").splitlines() if "_failed" in line or "Traceback" in line
    ]
    status = Path(f"/proc/{server.process.pid}/status").read_text() if alive else ""
    peak_bytes = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return ServerAfter(
        alive=alive,
        right=right,
        grown_bytes=process.memory_info().rss - before_bytes if alive else 0,
        peak_bytes=peak_bytes,
        open_files=process.num_fds() - before_files if alive else 0,
        failures=tuple(failures[:20]),
    )


def _ask(address: str) -> bool:
    tensors = tuple(Tensor(name=name, array=array) for name, array in FEEDS.items())
    with grpc.insecure_channel(address) as channel:
        answer = channel.unary_unary(Method.MODEL_INFER.path)(
            encode_request(InferRequest(model_name=MODEL, tensors=tensors)), timeout=30.0, wait_for_ready=True
        )
    (output,) = decode_response(answer).tensors
    return bool(np.allclose(output.array, expected(), rtol=1e-5))


def _print(
    tallies: Sequence[Tally], faces: Sequence[FaceTally], after: ServerAfter, grown_bytes: int, took_s: float
) -> None:
    print_table(
        "Decoders and codecs, in this process",
        (
            Column(title="target", right=False),
            Column(title="inputs"),
            Column(title="accepted"),
            Column(title="refused"),
            Column(title="in ways"),
            Column(title="broke"),
            Column(title="hung"),
            Column(title="slowest"),
            Column(title="most allocated"),
            Column(title="over the limit"),
        ),
        (
            (
                tally.target, str(tally.inputs), str(tally.endings["accepted"]),
                str(tally.inputs - tally.endings["accepted"] - len(tally.broken) - tally.hung), str(tally.places),
                str(len(tally.broken)), str(tally.hung), format_duration(tally.slowest_s),
                format_size(tally.most_bytes), f"{tally.over} of {tally.measured}",
            )
            for tally in tallies
        ),
    )  # fmt: skip
    print_table(
        "A running server",
        (
            Column(title="face", right=False),
            Column(title="inputs"),
            Column(title="broke"),
            Column(title="hung"),
            Column(title="slowest"),
            Column(title="statuses", right=False, shrinks=True),
        ),
        (
            (
                face.face, str(face.inputs), str(len(face.broken)), str(face.hung), format_duration(face.slowest_s),
                ", ".join(f"{status} {count}" for status, count in face.statuses.most_common()),
            )
            for face in faces
        ),
    )  # fmt: skip
    inputs = sum(tally.inputs for tally in tallies) + sum(face.inputs for face in faces)
    words = (
        "alive" if after.alive else "DEAD",
        "answers rightly" if after.right else "DOES NOT ANSWER RIGHTLY",
        f"{format_size(max(0, after.grown_bytes))} more memory than before",
        f"at most {format_size(after.peak_bytes)} at any time",
        f"{after.open_files:+d} open files",
        f"{len(after.failures)} failures logged",
    )
    print_lines(
        [
            ("inputs", f"{format_count(inputs)} in {took_s:.0f} s"),
            ("decoders", f"their process grew by {format_size(grown_bytes)}"),
            ("server", ", ".join(words)),
        ]
    )
    broken = [found for tally in tallies for found in tally.broken[:5]]
    broken += [found for face in faces for found in face.broken[:5]]
    for line in (*broken, *after.failures):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
