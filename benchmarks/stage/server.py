"""A real `partway serve` on the stage: in its namespace, on its core, ended by its id.

Called by the stage.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.stage.namespaces import within
from benchmarks.stage.precedence import put_first

from partway.errors import ServerUnavailable

_DRAIN_S = 5.0
_ANNOUNCED = "listening address="
# `partway`, which the kernel ends with the thread that started it (PR_SET_PDEATHSIG, SIGKILL): nobody else could after
# a SIGKILL of the benchmark.
_CODE = "import ctypes; ctypes.CDLL(None).prctl(1, 9); from partway.cli.main import main; raise SystemExit(main())"


class StageServer:
    """The server's process; `start` begins it, and begins it anew after it was killed.

    Args:
        models: ONNX files; each is served under its file's stem.
        folder: where its repository and its log may lie.
        host: the address to listen on.
        port: the port.
        options: of `partway serve`.
        environment: variables beside this process's own.
        namespace: descriptor of the network namespace to be in; None for this process's.
        core: to run on; None for any.
    """

    def __init__(
        self,
        models: Iterable[Path],
        folder: Path,
        *,
        host: str,
        port: int,
        options: Sequence[str],
        environment: Mapping[str, str],
        namespace: int | None,
        core: int | None,
    ) -> None:
        self.listens = host, port
        self._words = ("--host", host, "--port", str(port), *options)
        self._environment = {**os.environ, **environment}
        self._namespace, self._core = namespace, core
        self.repository, self.log = folder / "repository", folder / "server.log"
        self.repository.mkdir()
        for model in models:
            # A link, since external data lies beside what it leads to, and weights may be large.
            (self.repository / f"{model.stem}.onnx").symlink_to(model.absolute())
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The id of its process.

        Raises:
            ServerUnavailable: it does not run.
        """
        if self._process is None:
            raise ServerUnavailable("the stage's server does not run; start it first")
        return self._process.pid

    def start(self) -> None:
        """Begin, and wait until it listens.

        Raises:
            ServerUnavailable: it ended before; the message has its last words.
        """
        with self.log.open("a", encoding="utf-8") as log, within(self._namespace, self._core):
            process = subprocess.Popen(
                [sys.executable, "-c", _CODE, "serve", str(self.repository), *self._words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is the benchmark's to handle: the server is ended by it, once
            )
        put_first(process.pid)
        self._process = process
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.startswith(_ANNOUNCED):
            self.kill()
            words = " ".join(self.log.read_text(encoding="utf-8").split()[-40:])
            raise ServerUnavailable(f"the server did not start: {words or line.strip()!r}")

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it answer what it has accepted, then end; with SIGKILL where that takes too long."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(_DRAIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
