"""Sets the stage and clears it away: link, server, and this process as the device.

Input: a link and the models to serve. Output: a `Stage`. Called by benchmarks, once a run, before any thread is
started: gRPC's stay in the namespace that they were born in.
"""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from benchmarks.ending import ended_in_order
from benchmarks.stage.link_process import GOODPUT, SERVER_ADDRESS
from benchmarks.stage.namespaces import why_not, within
from benchmarks.stage.precedence import first
from benchmarks.stage.quota import share_of_a_core
from benchmarks.stage.server import StageServer
from benchmarks.stage.tunnel import run_tunnel

from partway.link import Link, LinkTrace, run_emulator

_PORT = 8001
_LOOPBACK = "127.0.0.1"
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class Place(StrEnum):
    """Where a process runs."""

    DEVICE = "device"
    SERVER = "server"


class Stage:
    """A stage that is set.

    Attributes:
        how: what emulates the link, in words for whoever reads the result.
        address: host and port where the device reaches the server.
        server: its process.
        goodput: share of a link's rate that payload gets; the rest are headers.
        namespaces: descriptors of the network namespaces; empty where there is a proxy instead.
        cores: of each place; empty where there are too few to tell them apart.
    """

    def __init__(
        self,
        *,
        how: str,
        address: tuple[str, int],
        server: StageServer,
        goodput: float,
        namespaces: Mapping[Place, int],
        cores: Mapping[Place, int],
        link: LinkTrace,
        set_link: Callable[[LinkTrace], float],
    ) -> None:
        self.how, self.address, self.server, self.goodput = how, address, server, goodput
        self.namespaces, self.cores = namespaces, cores
        self._link, self._set_link, self._began_s = link, set_link, time.monotonic()

    @property
    def server_url(self) -> str:
        """Where a session finds the server, as seen from the device."""
        return f"grpc://{self.address[0]}:{self.address[1]}"

    @property
    def trace(self) -> LinkTrace:
        """The link as it was set last."""
        return self._link

    def set_link(self, link: Link | LinkTrace) -> None:
        """Be another link from now on; a trace begins anew. What is already sent keeps its times."""
        self._link = _as_trace(link)
        self._began_s = self._set_link(self._link)

    def position_s(self, at_s: float) -> float:
        """How far the trace was at a moment of `time.monotonic`, in seconds since it began."""
        return at_s - self._began_s

    def start(
        self,
        words: Sequence[str],
        place: Place,
        *,
        environment: Mapping[str, str] = _NO_VARIABLES,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> "subprocess.Popen[str]":
        """Start a process on the stage; whoever starts it ends it.

        Args:
            words: the command and its arguments.
            place: whose namespace and core it gets.
            environment: variables beside this process's own.
            stdin: as `subprocess.Popen` has it.
            stdout: the same.
        """
        with within(self.namespaces.get(place), self.cores.get(place)):
            return subprocess.Popen(
                words,
                stdin=stdin,
                stdout=stdout,
                text=True,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C is the benchmark's to handle
            )


@contextlib.contextmanager
def stage(
    link: Link | LinkTrace,
    models: Iterable[Path] = (),
    *,
    threads: int | None = 1,
    options: Sequence[str] = (),
    environment: Mapping[str, str] = _NO_VARIABLES,
    device_share: float | None = None,
    proxy: bool = False,
) -> Iterator[Stage]:
    """Set the stage for as long as the block lasts; the calling thread is the device, with all that it starts.

    Device and server each have a core. However the block is left, by Ctrl-C and SIGTERM too, everything is cleared
    away.

    Args:
        link: between the two at first.
        models: ONNX files to serve, under their files' stems; the server runs only if there are any.
        threads: within an operator, of the server; None for all that it may use.
        options: more of `partway serve`.
        environment: variables of the server beside this process's own.
        device_share: of its core's time, by a control group; None for all. A `device_slowdown` emulates the same.
        proxy: take the user-space proxy even where namespaces can be had.

    Raises:
        LinkError: the link cannot be emulated.
        ServerUnavailable: the server does not start.
        InputError: the share cannot be had.
    """
    trace = _as_trace(link)
    with contextlib.ExitStack() as stack:
        stack.enter_context(ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="partway-stage-")))
        reason = "it was asked for" if proxy else why_not()
        way = stack.enter_context(_tunnel(trace) if reason is None else _proxy(trace, reason))
        cores = _cores()
        server = StageServer(
            models,
            folder,
            host=way.listens[0],
            port=way.listens[1],
            options=(*(() if threads is None else ("--threads", str(threads))), *way.options, *options),
            environment=environment,
            namespace=way.namespaces.get(Place.SERVER),
            core=cores.get(Place.SERVER),
        )
        stack.callback(server.stop)
        if any(server.repository.iterdir()):
            server.start()
        stack.enter_context(within(way.namespaces.get(Place.DEVICE), cores.get(Place.DEVICE)))
        stack.enter_context(first())
        stack.enter_context(share_of_a_core(device_share))
        yield Stage(
            how=way.how,
            address=way.address,
            server=server,
            goodput=way.goodput,
            namespaces=way.namespaces,
            cores=cores,
            link=trace,
            set_link=way.set_link,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    how: str
    listens: tuple[str, int]
    address: tuple[str, int]
    goodput: float
    set_link: Callable[[LinkTrace], float]
    namespaces: Mapping[Place, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@contextlib.contextmanager
def _tunnel(trace: LinkTrace) -> Iterator[_Way]:
    address = SERVER_ADDRESS, _PORT
    with run_tunnel(trace) as tunnel:
        yield _Way(
            how="two network namespaces",
            listens=address,
            address=address,
            goodput=GOODPUT,
            set_link=tunnel.set_link,
            namespaces={Place.DEVICE: tunnel.device, Place.SERVER: tunnel.server},
            options=("--insecure",),  # nobody else is in these namespaces
        )


@contextlib.contextmanager
def _proxy(trace: LinkTrace, reason: str) -> Iterator[_Way]:
    listens = _LOOPBACK, _free_port()
    with run_emulator(listens, trace) as emulator:

        def set_link(trace: LinkTrace) -> float:
            began_s = time.monotonic()
            emulator.set_link(trace)
            return began_s

        yield _Way(
            how=f"a proxy in user space, since {reason}",
            listens=listens,
            address=emulator.address,
            goodput=1.0,
            set_link=set_link,
        )


def _cores() -> Mapping[Place, int]:
    allowed = sorted(os.sched_getaffinity(0))
    return {Place.DEVICE: allowed[0], Place.SERVER: allowed[1]} if len(allowed) > 1 else {}


def _free_port() -> int:
    # Fixed beforehand, so that a server that is begun anew is found where it was.
    with socket.create_server((_LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _as_trace(link: Link | LinkTrace) -> LinkTrace:
    return link if isinstance(link, LinkTrace) else LinkTrace.constant(link)
