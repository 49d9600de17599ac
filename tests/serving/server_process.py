"""A server as a process of its own, for tests: serves a folder, announces its address on stdout, ends by signal.

With `--gated` each run of a piece says `running` on stdout and waits for a line on stdin, so that the test
decides what happens in the middle of a request. With `--rest` the REST face's address follows on the same line.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from partway.engine import Level, OrtRuntime, OrtSession, Stop
from partway.serving import Server, ServerOptions


class _AskingSession(OrtSession):
    def __init__(self, session: OrtSession) -> None:
        super().__init__(session._session)

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        print("running", flush=True)
        sys.stdin.readline()
        return super().run(feeds, outputs, stop=stop)


class _AskingRuntime(OrtRuntime):
    def load(
        self,
        graph: onnx.ModelProto,
        directory: Path,
        *,
        level: Level,
        prepack: bool,
        profile: Path | None = None,
    ) -> OrtSession:
        session = super().load(graph, directory, level=level, prepack=prepack, profile=profile)
        return session if level is Level.AS_IS else _AskingSession(session)


def main(folder: str, *flags: str) -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    gated = "--gated" in flags
    runtime = _AskingRuntime(threads=1) if gated else OrtRuntime(threads=1)
    rest_port = 0 if "--rest" in flags else None
    server = Server(folder, options=ServerOptions(runtime=runtime, learn=not gated, rest_port=rest_port))

    def announce(address: str) -> None:
        print(address, *filter(None, (server.rest_address,)), flush=True)

    asyncio.run(server.serve_forever(announce, grace_s=60.0))


if __name__ == "__main__":
    main(*sys.argv[1:])
