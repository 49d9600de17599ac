"""Mutated messages against both faces of a running server.

Input: the server's addresses, how many inputs. Output: a `FaceTally` of each face: statuses, the slowest answer, and
what was no refusal. Requests go over a few connections at once; plain bytes that are neither HTTP nor OIP go over
connections of their own.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import numpy as np
from benchmarks.fuzzing.grammar import Grammar
from benchmarks.fuzzing.messages import requests, rest_bodies, rest_requests
from benchmarks.fuzzing.mutation import Mutator

from partway.wire import JSON_LENGTH_HEADER, Method

HANG_S = 10.0
_CONNECTIONS = 8
_GARBAGE_EVERY = 50  # a connection each is slow
_ODD_HEADER_EVERY = 8
_ODD_PATHS = ("/v2/models/../x/infer", "/v2/models//infer", "/v2/models/%00/infer", "/metrics", "/v2", "/%2e%2e/etc")
_REFUSALS = frozenset(
    {
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "RESOURCE_EXHAUSTED",
        "UNIMPLEMENTED",
        "DEADLINE_EXCEEDED",  # a request may bring one of its own; what is late by ours has hung
    }
)
_BROKEN_FROM = 500


@dataclass(slots=True, kw_only=True)
class FaceTally:
    """What became of the inputs of one face.

    Attributes:
        face: its name.
        inputs: how many there were.
        statuses: how many ended in which status; `closed` where the connection was.
        broken: inputs, in hexadecimal, that were answered by an error of the server's own.
        hung: inputs that were not answered within `HANG_S`.
        slowest_s: the longest that an answer took.
    """

    face: str
    inputs: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    hung: int = 0
    slowest_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing broke or hung."""
        return not (self.broken or self.hung)

    def note(self, status: str, content: bytes, took_s: float, *, broken: bool) -> None:
        """Take in how one input ended."""
        self.inputs += 1
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if broken:
            self.broken.append(f"{status} on {content.hex()[:2000]}")


async def fuzz_grpc(address: str, inputs: int, *, model: str, seed: int, progress: Callable[[int], None]) -> FaceTally:
    """Try inputs on the gRPC face.

    Args:
        address: `host:port`.
        inputs: how many.
        model: a model that is served, with an input `x`.
        seed: of the mutations.
        progress: told how many were tried.
    """
    tally = FaceTally(face="gRPC")
    generator = np.random.default_rng((seed, 100))
    mutator = Mutator(requests(model), generator, Grammar(generator, (model,)).grpc_request)

    async def ask(share: int) -> None:
        async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            infer = channel.unary_unary(Method.MODEL_INFER.path)
            for index in range(share):
                if index % _GARBAGE_EVERY == 0:
                    await _send_garbage(address, mutator.make(), tally)
                    continue
                content = mutator.make()
                start_s = time.perf_counter()
                try:
                    await infer(content, timeout=HANG_S)
                    status, place = "OK", ""
                except grpc.aio.AioRpcError as error:
                    status, place = error.code().name, _without_numbers(error.details() or "")
                took_s = time.perf_counter() - start_s
                tally.hung += took_s >= HANG_S
                tally.note(status, content, took_s, broken=status not in _REFUSALS)
                mutator.learn(content, (status, place))
                progress(tally.inputs)

    await asyncio.gather(*(ask(inputs // _CONNECTIONS) for _ in range(_CONNECTIONS)))
    return tally


async def fuzz_rest(address: str, inputs: int, *, model: str, seed: int, progress: Callable[[int], None]) -> FaceTally:
    """Try inputs on the REST face; the arguments are those of `fuzz_grpc`."""
    tally = FaceTally(face="REST")
    generator = np.random.default_rng((seed, 200))
    seeds = [*rest_requests(), *(length.encode() + b"\n" + body for length, body in rest_bodies("x", (1, 4)))]
    mutator = Mutator(seeds, generator, Grammar(generator, (model,)).rest_request)

    async def ask(share: int) -> None:
        connection = _Http(address)
        for index in range(share):
            content = mutator.make()
            if index % _GARBAGE_EVERY == 0:
                await _send_garbage(address, b"POST /v2/models/x/infer HTTP/1.1\r\n" + content, tally)
                continue
            length, _, body = content.partition(b"\n")
            if index % _ODD_HEADER_EVERY and not length.isdigit():
                length = b"-"  # else most inputs would end with the headers
            path = f"/v2/models/{model}/infer" if index % 20 else _ODD_PATHS[index // 20 % len(_ODD_PATHS)]
            start_s = time.perf_counter()
            status, answer = await connection.post(path, length, body)
            took_s = time.perf_counter() - start_s
            tally.hung += status == "hung"
            tally.note(status, content, took_s, broken=status.isdigit() and int(status) >= _BROKEN_FROM)
            mutator.learn(content, (status, _without_numbers(answer)))
            progress(tally.inputs)
        await connection.close()

    await asyncio.gather(*(ask(inputs // _CONNECTIONS) for _ in range(_CONNECTIONS)))
    return tally


class _Http:
    """As little of HTTP as it takes to send what no library would."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, json_length: bytes, body: bytes) -> tuple[str, str]:
        """Send a body.

        Returns:
            The status, `closed` or `hung`; and what was answered.
        """
        extra = b"" if json_length == b"-" else JSON_LENGTH_HEADER.encode() + b": " + json_length + b"\r\n"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode() + extra
        try:
            async with asyncio.timeout(HANG_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self._host, self._port)
                reader, writer = self._streams
                writer.write(head + b"\r\n" + body)
                return await self._read(reader)
        except TimeoutError:
            await self.close()
            return "hung", ""
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self.close()
            return "closed", ""

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[str, str]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next((line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")), "0")
        answer = await reader.readexactly(int(length))
        if "connection: close" in head or head.startswith("http/1.0"):
            await self.close()
        return head.split(" ", 2)[1], answer.decode("utf-8", "replace")


async def _send_garbage(address: str, content: bytes, tally: FaceTally) -> None:
    host, _, port = address.rpartition(":")
    start_s = time.perf_counter()
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(TimeoutError):
            # Whatever comes back will do, nothing too: a server may wait for the rest for a while, and others go on.
            async with asyncio.timeout(0.2):
                writer.write(content)
                await reader.read()
        writer.close()
        await writer.wait_closed()
    tally.note("plain bytes", content, time.perf_counter() - start_s, broken=False)


def _without_numbers(text: str) -> str:
    return "".join(character for character in text[:200] if not character.isdigit())
