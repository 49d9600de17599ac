"""Faults of many kinds, done to a real server process and to the network in front of it.

    crash        kill -9, restarted a moment later        freeze      SIGSTOP, SIGCONT a moment later
    other_model  kill -9, restarted with other weights    flood       more requests than the server's queue holds
                 under the same name, then put right      reset       RST on every open connection
    slow_start   kill -9, restarted, and frozen before    blackhole   nothing passes, and all of it later
                 it could open its models                 drip        one byte a second
    half_close   one side hears that the other is done    delay       0.3 s late
    flip         one bit of what passes next

Input: a kind and how long it lasts. Output: harm, and things put right again. Called by `benchmarks.faults`.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from benchmarks.chaos_proxy import BadNetwork
from benchmarks.cores import on_core
from benchmarks.load_generator import send_at
from tests.processes import ServerProcess, serving

KINDS: Mapping[str, tuple[int, float, float]] = {
    "crash": (4, 0.1, 0.8),
    "other_model": (3, 0.3, 1.0),
    "slow_start": (1, 1.0, 2.0),
    "freeze": (9, 0.2, 0.6),
    "flood": (4, 0.0, 0.0),
    "reset": (19, 0.0, 0.0),
    "half_close": (16, 0.1, 0.4),
    "blackhole": (13, 0.1, 0.6),
    "drip": (9, 0.3, 0.6),
    "delay": (6, 0.3, 0.6),
    "flip": (16, 0.05, 0.1),
}
"""How many of a hundred faults are of each kind, and the seconds that it lasts: least and most. Those that start a
server take longest, so they are few."""

_QUEUE = 8
_FLOOD_GAPS_S = (0.0,) * 30 + (0.01,) * 50


def schedule(faults: int, generator: np.random.Generator) -> list[str]:
    """Kinds of faults in a random order, each as often as its share says, and at least once where there is room.

    Args:
        faults: how many, at least one.
        generator: of the order.
    """
    kinds = list(KINDS)
    shares = np.array([KINDS[kind][0] for kind in kinds], float)
    counts = np.floor(faults * shares / shares.sum()).astype(int)
    while counts.sum() < faults:
        counts[int(np.argmax(faults * shares / shares.sum() - counts))] += 1
    return [str(kind) for kind in generator.permutation(np.repeat(kinds, counts))]


class FragileServer:
    """A server process that is killed, and started again at the same address.

    Args:
        folder: for its cache.
        core: that it stays on.
    """

    def __init__(self, folder: Path, core: int | None) -> None:
        self._environment = {"PARTWAY_CACHE": str(folder / "server-cache")}
        self._core = core
        self._block: AbstractContextManager[ServerProcess] | None = None
        self._port = 0
        self.process: ServerProcess | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, or did."""
        return "127.0.0.1", self._port

    @property
    def url(self) -> str:
        """The same for clients."""
        return f"grpc://127.0.0.1:{self._port}"

    def start(self, repository: Path) -> None:
        """Start it; return when it listens."""
        options = ("--port", str(self._port), "--threads", "1", "--queue", str(_QUEUE))
        with on_core(self._core):
            self._block = serving(repository, *options, environment=self._environment)
            self.process = self._block.__enter__()
        self._port = self.process.address[1]

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._block is not None:
            self._block.__exit__(None, None, None)
        self._block = self.process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None:
            self.process.signal(number)


class Injector:
    """Does harm of every kind.

    Args:
        server: the victim.
        network: on the way to it.
        repositories: the right one, and one with another model under the same name.
        flood: the bytes of a request that takes the server long.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        server: FragileServer,
        network: BadNetwork,
        repositories: tuple[Path, Path],
        flood: bytes,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server, self._network, self._flood, self._sleep = server, network, flood, sleep
        self._right, self._other = repositories

    def inject(self, kind: str, lasts_s: float) -> None:
        """Do harm for so long, then put things right."""
        match kind:
            case "crash":
                self._server.kill()
                self._sleep(lasts_s)
                self._server.start(self._right)
            case "other_model":
                self._server.kill()
                self._server.start(self._other)
                self._sleep(lasts_s)
                self._server.kill()
                self._server.start(self._right)
            case "slow_start":
                self._server.kill()
                self._server.start(self._right)
                self._freeze(lasts_s)
            case "freeze":
                self._freeze(lasts_s)
            case "flood":
                asyncio.run(send_at(self._server.url, self._flood, iter(_FLOOD_GAPS_S), asyncio.Event()))
            case _:
                self._network.do(kind)
                self._sleep(lasts_s)
                self._network.do("calm")

    def _freeze(self, lasts_s: float) -> None:
        self._server.signal(signal.SIGSTOP)
        self._sleep(lasts_s)
        self._server.signal(signal.SIGCONT)
