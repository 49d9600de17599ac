"""Two network namespaces and a link between them, as long as a block lasts.

Input: link traces. Output: descriptors of the namespaces. Called by the stage; the link itself is `link_process`.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.stage.link_process import encode

from partway.errors import LinkError
from partway.link import LinkTrace

_CODE = "from benchmarks.stage.link_process import main; main()"
_START_S, _END_S = 20.0, 2.0


class Tunnel:
    """A running link.

    Attributes:
        pid: of its process.
        device: descriptor of the device's namespace.
        server: descriptor of the server's.
    """

    def __init__(self, pid: int, control: Connection, device: int, server: int) -> None:
        self.pid, self.device, self.server = pid, device, server
        self._control = control

    def set_link(self, trace: LinkTrace) -> float:
        """Be another link from now on; when its trace began, by `time.monotonic`."""
        self._control.send_bytes(encode(trace))
        return float(self._control.recv_bytes())


@contextlib.contextmanager
def run_tunnel(trace: LinkTrace) -> Iterator[Tunnel]:
    """Two namespaces and the link between them, for as long as the block lasts.

    Args:
        trace: the link at first.

    Raises:
        LinkError: the link did not come up.
    """
    control, theirs = multiprocessing.Pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(theirs.fileno())],
        pass_fds=(theirs.fileno(),),
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # Ctrl-C is not for it: it ends when the pipe is closed
    )
    theirs.close()
    namespaces: list[int] = []
    try:
        try:
            control.send_bytes(encode(trace))
            numbers = control.recv_bytes().split() if control.poll(_START_S) else ()
        except (EOFError, ConnectionError):
            numbers = ()
        if not numbers:
            raise LinkError("the emulated link did not come up; its process said why on stderr")
        namespaces += (os.open(f"/proc/{process.pid}/fd/{int(number)}", os.O_RDONLY) for number in numbers)
        yield Tunnel(process.pid, control, *namespaces)
    finally:
        for namespace in namespaces:
            os.close(namespace)
        control.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
