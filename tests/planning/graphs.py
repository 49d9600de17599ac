"""Models for the laws of searching: made in memory, so that hundreds cost nothing, and every head of theirs.

A node is what it reads and what it makes; a tensor is its bytes. No file lies behind them, so they cannot be cut into
pieces or run.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper

from partway.graph import Binding, Cut, Entry, Model, TensorInfo
from partway.graph.cuts import head_cut
from partway.planning.search import NodeCosts, Prices, Restrictions


def model_of(
    nodes: Sequence[tuple[Sequence[str], Sequence[str]]],
    sizes: Mapping[str, int | None],
    outputs: Sequence[str],
    *,
    nameless: frozenset[str] = frozenset(),
) -> Model:
    """A model.

    Args:
        nodes: what each reads and what it makes, in graph order; node `i` is called `n<i>`.
        sizes: bytes of every tensor, None where unknown; those that no node makes are the inputs.
        outputs: tensors that come out.
        nameless: tensors that the model's author gave no name, so that they may not cross.
    """
    made = {name for _, makes in nodes for name in makes}
    tensors = tuple(TensorInfo(name=name, dtype=np.dtype(np.uint8), shape=(size,)) for name, size in sizes.items())
    graph = helper.make_graph(
        [helper.make_node("Mix", [*reads], [*makes], name=f"n{row}") for row, (reads, makes) in enumerate(nodes)],
        "in memory",
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, [size])
            for name, size in sizes.items()
            if name not in made
        ],
        [helper.make_tensor_value_info(name, TensorProto.UINT8, [sizes[name]]) for name in outputs],
    )
    return Model(
        source_digest="0" * 64,
        binding=Binding(shapes=()),
        source_names=frozenset(sizes) - nameless,
        tensors=tensors,
        graph=helper.make_model(graph),
        entry=cast("Entry", None),
    )


def chain_of(sizes: Sequence[int]) -> Model:
    """One node after the other; the first size is the input's, the last the output's."""
    names = [f"t{row}" for row in range(len(sizes))]
    nodes = [([before], [after]) for before, after in itertools.pairwise(names)]
    return model_of(nodes, dict(zip(names, sizes, strict=True)), names[-1:])


def branching(count: int, seed: int, *, outputs: int = 1) -> Model:
    """Blocks of one to four branches that meet again, with some links across, smaller tensors the deeper they are."""
    rng = np.random.default_rng(seed)
    names, sizes = ["x"], {"x": 600_000}
    nodes: list[tuple[list[str], list[str]]] = []

    def add(reads: list[str]) -> str:
        made = f"t{len(nodes)}"
        nodes.append((list(dict.fromkeys(reads)), [made]))
        names.append(made)
        sizes[made] = int(10 ** rng.uniform(3, 6.3) * (1 - 0.9 * min(1.0, len(nodes) / count)))
        return made

    while len(nodes) < count:
        root, ends = names[-1], []
        for _ in range(int(rng.integers(1, 5))):
            last = root
            for _ in range(int(rng.integers(1, 5))):
                across = [names[-1 - int(rng.integers(0, min(20, len(names))))]] if rng.random() < 0.15 else []
                last = add([last, *across])
            ends.append(last)
        add(ends)
    read = {name for reads, _ in nodes for name in reads}
    others = [names[len(names) * row // outputs] for row in range(1, outputs)]
    return model_of(nodes, sizes, [*(name for name in names[1:] if name not in read), *others])


def uneven_costs(model: Model, seed: int, spread: float = 0.5) -> NodeCosts:
    """Seconds on a device that is about ten times slower, for some nodes more so than for others."""
    rng = np.random.default_rng(seed)
    server_s = 10 ** rng.uniform(-5, -3, len(model.nodes))
    return NodeCosts(device_s=10 * server_s * np.exp(spread * rng.standard_normal(len(server_s))), server_s=server_s)


_small = st.integers(0, 20)


@st.composite
def small_models(draw: st.DrawFn, most_nodes: int = 12) -> Model:
    """Up to twelve nodes, with several inputs, outputs and readers; some tensors may not cross."""
    sizes: dict[str, int | None] = {f"x{row}": draw(_small) for row in range(draw(st.integers(1, 3)))}
    nodes = []
    for row in range(draw(st.integers(1, most_nodes))):
        recent = list(sizes)[-draw(st.sampled_from((2, 4, 40))) :]
        reads = draw(st.lists(st.sampled_from(recent), min_size=1, max_size=3, unique=True))
        makes = [f"t{row}", f"u{row}"][: draw(st.sampled_from((1, 1, 1, 2)))]
        sizes |= {name: draw(_small) for name in makes}
        nodes.append((reads, makes))
    read = {name for reads, _ in nodes for name in reads}
    made = [name for _, makes in nodes for name in makes]
    extra = draw(st.sets(st.sampled_from(made), max_size=2))
    return model_of(
        nodes,
        sizes,
        [name for name in made if name not in read or name in extra],
        nameless=frozenset(draw(st.sets(st.sampled_from(list(sizes)), max_size=3)))
        if draw(st.booleans())
        else frozenset(),
    )


@st.composite
def whole_costs(draw: st.DrawFn, model: Model) -> NodeCosts:
    """Small whole numbers of seconds, so that sums are exact."""
    count = len(model.nodes)
    columns = [draw(st.lists(_small, min_size=count, max_size=count)) for _ in range(2)]
    return NodeCosts(device_s=np.array(columns[0], dtype=np.float64), server_s=np.array(columns[1], dtype=np.float64))


whole_prices = st.builds(
    Prices, device=st.integers(1, 5), uplink=st.integers(0, 5), server=st.integers(0, 5), downlink=st.integers(0, 5)
)


@st.composite
def any_restrictions(draw: st.DrawFn, model: Model) -> Restrictions:
    """Pins and tensors that stay, contradictory ones too."""
    nodes = st.frozensets(st.integers(0, len(model.nodes) - 1), max_size=2)
    return Restrictions(
        on_device=draw(nodes),
        on_server=draw(nodes),
        stays=draw(st.frozensets(st.sampled_from(list(model.tensors)), max_size=2)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A cut, by brute force."""

    cut: Cut
    value: float


def every_cut(
    model: Model, costs: NodeCosts, prices: Prices, restrictions: Restrictions | None = None
) -> Iterator[Priced]:
    """All cuts that are allowed, one for each head, priced by what the graph says of them."""
    restrictions = restrictions or Restrictions()
    pinned = sum(1 << index for index in restrictions.on_device)
    barred = sum(1 << index for index in restrictions.on_server)
    before = [
        sum({1 << model.producers[name] for name in node.inputs if name in model.producers}) for node in model.nodes
    ]
    sendable = model.crossable - restrictions.stays
    for head in closed_sets(before):
        if head & pinned != pinned or head & barred:
            continue
        cut = head_cut(model, head)
        if not sendable.issuperset(cut.crossing):
            continue
        nodes = [bool(head >> index & 1) for index in range(len(model.nodes))]
        seconds = float(costs.device_s[nodes].sum()), float(costs.server_s[np.logical_not(nodes)].sum())
        value = prices.device * seconds[0] + prices.uplink * cut.up_bytes + prices.server * seconds[1]
        yield Priced(cut=cut, value=value + prices.downlink * cut.down_bytes)


def closed_sets(before: Sequence[int]) -> list[int]:
    """All sets with every member's predecessors, each of which is a bit set."""
    found = [0]
    for index, needed in enumerate(before):
        found += [members | 1 << index for members in found if members & needed == needed]
    return found
