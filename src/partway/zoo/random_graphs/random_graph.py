"""Random graphs of blocks, each in the company that it has in networks.

In comes a generator and, if wanted, the block to have in the graph; out goes an ONNX model. Called by profiling,
which lets the runtime optimise these graphs and times the kernels that it makes of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx

from partway.errors import InputError
from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.convolutions import CONVOLUTIONS
from partway.zoo.random_graphs.draft import Draft, Kind, Unfit
from partway.zoo.random_graphs.elementwise import ELEMENTWISE
from partway.zoo.random_graphs.images import IMAGES
from partway.zoo.random_graphs.products import PRODUCTS
from partway.zoo.random_graphs.quantised import QUANTISED
from partway.zoo.random_graphs.quantised_dynamically import QUANTISED_DYNAMICALLY
from partway.zoo.random_graphs.reductions import REDUCTIONS
from partway.zoo.random_graphs.sequences import SEQUENCES
from partway.zoo.random_graphs.shapes import SHAPES

BLOCKS: Mapping[str, Block] = MappingProxyType(
    {
        **CONVOLUTIONS,
        **IMAGES,
        **ELEMENTWISE,
        **SHAPES,
        **PRODUCTS,
        **SEQUENCES,
        **REDUCTIONS,
        **QUANTISED,
        **QUANTISED_DYNAMICALLY,
    }
)

_NAMES = tuple(BLOCKS)
_SHARES = np.array([block.share for block in BLOCKS.values()]) / sum(block.share for block in BLOCKS.values())

_ATTEMPTS = 20  # graphs to begin before giving up; nearly always the first one holds
_TRIES = 6  # at placing one block, with other sizes each time
_AGAIN = 0.35  # how often the next block is the wanted one again
_EXHAUSTED = 6000  # elements
_BRANCHES = 0.12  # how often the next step is two branches that meet


def random_graph(
    generator: np.random.Generator, *, focus: str | None = None, dtype: str = "float32"
) -> onnx.ModelProto | None:
    """A graph of some 2 to 10 blocks with random sizes; the same for the same state of the generator.

    Args:
        generator: where everything comes from.
        focus: a block of `BLOCKS` that is in it for sure, once or more; drawn by their shares if None.
        dtype: `float32`, or `float16` for the operators that have it; casts surround the others.

    Returns:
        The model, or None if, rarely, no sizes were found that respect the limits.

    Raises:
        InputError: no block has that name.
    """
    if focus is not None and focus not in BLOCKS:
        raise InputError(f"no block of random graphs is called {focus!r}; it is one of {', '.join(BLOCKS)}")
    for _ in range(_ATTEMPTS):
        name = _NAMES[int(generator.choice(len(_NAMES), p=_SHARES))] if focus is None else focus
        draft = Draft(generator, dtype=dtype)
        made = _draw(draft, BLOCKS[name])
        if made is not None:
            return draft.build(made, name="random")
    return None


def _draw(draft: Draft, wanted: Block) -> Tensor | None:
    """The end of a graph that has the wanted block in it, or None."""
    kind = draft.pick(*wanted.takes)
    try:
        beginning = draft.start(kind) if wanted.start is None else wanted.start(draft)
    except Unfit:
        return None
    growth = _Growth(draft=draft, x=beginning, kind=_kind(beginning, kind))
    length, begun = draft.between(2, 10), draft.mark()
    if not wanted.first:
        for _ in range(draft.pick(0, 0, 1, 2)):
            growth.add_neighbour()
    if not growth.add(wanted):
        draft.rewind(begun)
        growth = _Growth(draft=draft, x=beginning, kind=_kind(beginning, kind))
        if not growth.add(wanted):
            return None
    while growth.blocks < length and draft.macs < draft.limits.macs and not growth.exhausted:
        growth.blocks += 1
        if draft.chance(_AGAIN):
            growth.add(wanted)
        elif draft.chance(_BRANCHES):
            growth.add_branches()
        else:
            growth.add_neighbour()
    return growth.x


@dataclass(slots=True, kw_only=True)
class _Growth:
    """A draft and the tensor that the next block follows.

    Attributes:
        draft: the graph.
        x: the tensor.
        kind: what its dimensions mean.
        blocks: tried so far.
    """

    draft: Draft
    x: Tensor
    kind: Kind
    blocks: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether so little is left to work on that more blocks would be nothing but calls."""
        return self.kind is not Kind.ROWS and self.x.elements < _EXHAUSTED

    def add(self, block: Block) -> bool:
        """Whether the block fits, with one of a few draws of its sizes; if so it is added."""
        if self.kind not in block.takes:
            return False
        begun = self.draft.mark()
        for _ in range(_TRIES):
            try:
                made = _build(self.draft, block, self.x)
                self.draft.need(2 <= made.rank <= 4)
            except Unfit:
                self.draft.rewind(begun)
            else:
                self.x, self.kind = made, _kind(made, self.kind)
                return True
        return False

    def add_neighbour(self) -> None:
        """Any block that takes this kind of tensor, unless it does not fit."""
        choices = _NEIGHBOURS[self.kind]
        total = sum(block.share for block in choices)
        shares = [block.share / total for block in choices]
        self.add(choices[int(self.draft.generator.choice(len(choices), p=shares))])

    def add_branches(self) -> None:
        """Two ways from here that meet in a sum or side by side, unless their shapes do not allow it."""
        origin, begun = self.x, self.draft.mark()
        ends = []
        for _ in range(2):
            branch = _Growth(draft=self.draft, x=origin, kind=self.kind)
            for _ in range(self.draft.pick(1, 1, 2)):
                branch.add_neighbour()
            ends.append(branch.x)
        try:
            self.x = _join(self.draft, *ends)
        except Unfit:
            self.draft.rewind(begun)


def _build(draft: Draft, block: Block, x: Tensor) -> Tensor:
    """The block's nodes, between casts if it knows single precision only and the draft has less."""
    if not (block.single and draft.dtype.name == "float16"):
        return block.build(draft, x)
    draft.dtype = np.dtype(np.float32)
    try:
        made = block.build(draft, draft.cast(x, "float32"))
    finally:
        draft.dtype = x.dtype
    return draft.cast(made, x.dtype.name)


def _join(draft: Draft, one: Tensor, other: Tensor) -> Tensor:
    draft.need(one.name != other.name)
    if one.shape == other.shape and draft.chance(0.5):
        return draft.elementwise("Add", one, other)
    draft.need(one.rank == other.rank and one.rank > 2)
    apart = [axis for axis in range(one.rank) if one.shape[axis] != other.shape[axis]]
    draft.need(apart in ([], [1]))
    return draft.concat(one, other, axis=1)


def _kind(x: Tensor, before: Kind) -> Kind:
    """What a tensor's dimensions mean, by how many there are and what they meant before."""
    if x.rank == 3:
        return Kind.SIGNAL if before is Kind.SIGNAL else Kind.SEQUENCE
    return Kind.IMAGE if x.rank == 4 else Kind.ROWS


_NEIGHBOURS = {
    kind: tuple(block for block in BLOCKS.values() if kind in block.takes and not block.first) for kind in Kind
}
