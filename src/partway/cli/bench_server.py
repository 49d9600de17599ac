"""A real server process on loopback, for as long as a block lasts.

Input: the models to serve. Output: the process and its address. Called by `partway bench` and `partway demo`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from partway.errors import ServerUnavailable

_DRAIN_S = 5.0
_ANNOUNCED = "listening address="


class LocalServer:
    """A running `partway serve`.

    Attributes:
        pid: its process id, by which it is ended.
        address: host and port.
    """

    def __init__(self, process: subprocess.Popen[str], address: tuple[str, int]) -> None:
        self._process = process
        self.pid = process.pid
        self.address = address

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def serve_locally(models: Iterable[Path], *, threads: int | None = None) -> Iterator[LocalServer]:
    """Serve models from a process of its own, ended by its id when the block is left, however it is left.

    Args:
        models: ONNX files; each is served under its file's stem.
        threads: within an operator; None for every core.

    Raises:
        ServerUnavailable: the process ended before it listened; the message has its last words.
    """
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="partway-") as folder:
        repository = Path(folder) / "repository"
        repository.mkdir()
        for model in models:
            # A link, since external data lies beside what it leads to, and weights may be large.
            (repository / f"{model.stem}.onnx").symlink_to(model.absolute())
        with (Path(folder) / "log").open("w+", encoding="utf-8") as log:
            options = ("--port", "0") if threads is None else ("--port", "0", "--threads", str(threads))
            process = subprocess.Popen(
                [sys.executable, "-m", "partway", "serve", str(repository), *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to handle: the server is ended by us, once
            )
            try:
                yield LocalServer(process, _await_address(process, log.name))
            finally:
                _end(process)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    # SIGTERM would end us at once and leave the server behind; Ctrl-C raises by itself.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _await_address(process: subprocess.Popen[str], log: str) -> tuple[str, int]:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(_ANNOUNCED):
        process.wait()
        words = " ".join(Path(log).read_text(encoding="utf-8").split()[-40:])
        raise ServerUnavailable(f"the server did not start (status {process.returncode}): {words or line.strip()!r}")
    host, _, port = line.removeprefix(_ANNOUNCED).split()[0].rpartition(":")
    return host.strip("[]"), int(port)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_DRAIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
