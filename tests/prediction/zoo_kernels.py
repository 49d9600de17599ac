"""Kernels that the runtime really executes: of random graphs, described once for all tests that want some."""

from functools import cache

import numpy as np

from partway.engine import OrtRuntime, prepare_timing
from partway.errors import EngineError
from partway.graph import Kernel
from partway.zoo import BLOCKS, random_graph

_TURNS = (*BLOCKS, *(None for _ in range(200 - len(BLOCKS))))


@cache
def zoo_graphs(most: int = 200) -> tuple[tuple[Kernel, ...], ...]:
    """The kernels of random graphs, every block in at least one of the first; `most` of them at most."""
    runtime = OrtRuntime(threads=1)
    found = []
    for seed, focus in enumerate(_TURNS[:most]):
        graph = random_graph(np.random.default_rng(seed), focus=focus)
        try:
            found.append(() if graph is None else prepare_timing(graph, runtime).kernels)
        except EngineError:
            continue  # some random graphs are refused; profiling keeps them as refusals
    return tuple(kernels for kernels in found if kernels)
