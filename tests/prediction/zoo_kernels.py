"""Kernels that the runtime really executes: of random graphs, described once for all tests that want some."""

from functools import cache
from itertools import islice

import numpy as np

from partway.engine import OrtRuntime, prepare_timing
from partway.errors import EngineError
from partway.graph import Kernel
from partway.zoo import BLOCKS, random_graph

_TURNS = (*BLOCKS, *(None for _ in range(200 - len(BLOCKS))))


def zoo_graphs(most: int = len(_TURNS)) -> tuple[tuple[Kernel, ...], ...]:
    """The kernels of random graphs, every block in at least one of the first; the first `most` of them at most."""
    return tuple(islice(filter(None, map(_kernels, range(len(_TURNS)))), most))


@cache
def _kernels(seed: int) -> tuple[Kernel, ...]:
    graph = random_graph(np.random.default_rng(seed), focus=_TURNS[seed])
    try:
        return () if graph is None else prepare_timing(graph, OrtRuntime(threads=1)).kernels
    except EngineError:
        return ()  # some random graphs are refused; profiling keeps them as refusals
