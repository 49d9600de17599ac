"""What random graphs are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from partway.zoo.graph import Tensor
from partway.zoo.random_graphs.draft import Draft, Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A few nodes that belong together, with sizes drawn anew each time.

    Attributes:
        build: adds them behind a tensor and returns what they make; raises `Unfit` where they do not fit.
        takes: kinds of tensor that it can follow; one that stands there twice is twice as likely a beginning.
        share: how often it is drawn as somebody's neighbour, relative to the others.
        start: an input that suits it; any of a kind that it takes where None.
        first: whether nothing may come before it, as its input must be as `start` made it.
        single: whether the operators that it is there for know single precision only.
    """

    build: Callable[[Draft, Tensor], Tensor]
    takes: Taken
    share: float = 1.0
    start: Callable[[Draft], Tensor] | None = None
    first: bool = False
    single: bool = False
