"""Real server processes for tests and benchmarks: started on a free port of loopback, ended by their id."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO


class ServerProcess:
    """A running `partway serve`.

    Attributes:
        url: where it listens.
        rest_address: where it answers REST, `host:port`; None where it does not.
        process: the process itself.
    """

    def __init__(self, process: subprocess.Popen[str], address: str, rest_address: str | None = None) -> None:
        self.process = process
        self.rest_address = rest_address
        self.url = f"grpc://{address}"
        host, port = address.rsplit(":", 1)
        self.address = host, int(port)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)


@contextlib.contextmanager
def serving(
    repository: Path,
    *options: str,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    errors: IO[bytes] | None = None,
) -> Iterator[ServerProcess]:
    """A `partway serve` of `repository` in a process of its own, ended when the block is left."""
    process = subprocess.Popen(
        [python, "-m", "partway", "serve", str(repository), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening address="), f"the server did not start: {line!r}"
        said = dict(word.split("=", 1) for word in line.split()[1:])
        yield ServerProcess(process, said["address"], said.get("rest"))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
