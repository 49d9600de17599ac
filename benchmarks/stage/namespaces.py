"""Network namespaces as file descriptors: they have no names, and are gone with the last process that is in them.

Called by the tunnel, which makes them, and by the stage, which enters them.
"""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUN = Path("/dev/net/tun")
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """What is missing here for namespaces with an emulated link between them; None where nothing is."""
    if os.geteuid() != 0:
        return "it needs root"
    if shutil.which("ip") is None:
        return "it needs the command ip, of iproute2"
    if not _TUN.exists():
        return f"there is no {_TUN}"
    return _refused()


def _refused() -> str | None:
    # Containers may be root and still not be allowed to; a child tries, since there would be no way back from it.
    child = os.fork()
    if child == 0:
        try:
            make_own()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return f"network namespaces are refused: {os.strerror(code)}" if code else None


def make_own() -> int:
    """Put the calling thread into a new network namespace, and give a descriptor of it.

    Raises:
        OSError: it is not allowed.
    """
    if _libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    return own()


def own() -> int:
    """A descriptor of the calling thread's network namespace."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(namespace: int) -> None:
    """Put the calling thread into a network namespace; threads and processes that it starts are born there.

    Raises:
        OSError: it is not allowed.
    """
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


@contextlib.contextmanager
def within(namespace: int | None, core: int | None) -> Iterator[None]:
    """Be in a namespace and on a core for as long as the block lasts: the calling thread, and whatever it starts.

    Args:
        namespace: its descriptor; None to stay.
        core: its number; None to stay.
    """
    before, cores = own(), os.sched_getaffinity(0)
    try:
        if namespace is not None:
            enter(namespace)
        if core is not None:
            os.sched_setaffinity(0, {core})
        yield
    finally:
        os.sched_setaffinity(0, cores)
        if namespace is not None:
            enter(before)
        os.close(before)
