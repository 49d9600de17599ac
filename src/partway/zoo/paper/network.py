"""The eight networks that the paper measured, by name, each for one query of its application.

In comes a name and, if wanted, how many items a query holds; out comes a network: its layers, what it is fed, and the
model. Nothing is large until the model itself is asked for. Called by studies, by analytic machines, and wherever a
model may be named instead of stored.
"""

import difflib
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import onnx

from partway.errors import InputError
from partway.zoo.blueprint import Blueprint
from partway.zoo.paper.language import senna_chk, senna_ner, senna_pos
from partway.zoo.paper.layer import Layer
from partway.zoo.paper.speech import kaldi
from partway.zoo.paper.stack import LayerStack
from partway.zoo.paper.vision import alexnet, deepface, mnist, vgg19

Application = Literal["IMC", "VGG", "FACE", "DIG", "ASR", "POS", "CHK", "NER"]

_WRITTEN_AS = 2  # raised when files differ although blueprints do not
_MOST_QUERIES = 100_000
_MOST_DIGITS = 10
_NETWORKS_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperNetwork:
    """One of the paper's networks, for a query of so many items.

    Attributes:
        name: what it is called here, for instance `alexnet`.
        title: what its authors call it.
        application: the paper's, in its own letters.
        item: what a query holds one or more of: an image, a digit, a frame, a word.
        queries: how many items a query holds.
        layers: in order; counted as in the paper.
        input_name: of the model's only input.
        input_shape: of one query.
        input_dtype: its element type: images are bytes, whatever the layers compute in.
        blueprint: the model, its weights described.
    """

    name: str
    title: str
    application: Application
    item: str
    queries: int
    layers: tuple[Layer, ...]
    input_name: str
    input_shape: tuple[int, ...]
    input_dtype: np.dtype
    blueprint: Blueprint = field(repr=False, compare=False)

    @property
    def spelling(self) -> str:
        """What `named_network` takes for it: of all ways to write the same, the shortest."""
        return self.name if self.queries == _DESIGNS[self.name].queries else f"{self.name}@{self.queries}"

    @property
    def input_bytes(self) -> int:
        """Bytes of one query: what a cut before the first layer sends."""
        return math.prod(self.input_shape) * self.input_dtype.itemsize

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one query."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def key(self) -> str:
        """Hex digits over all that decides what `save` writes, the name apart."""
        return hashlib.sha256(f"{_WRITTEN_AS} {self.blueprint.digest}".encode()).hexdigest()

    def build(self) -> onnx.ModelProto:
        """The model with seeded random weights, in memory: half a gigabyte for VGG-19 and DeepFace."""
        return self.blueprint.build()

    def save(self, path: Path) -> None:
        """The same model as a file, and its weights in a file beside it, with little memory.

        Args:
            path: the file; the other one ends in `.data`.
        """
        self.blueprint.save(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """How a network is laid out, and what a query holds unless somebody says otherwise."""

    title: str
    application: Application
    item: str
    queries: int
    lay: Callable[[LayerStack, int], None]


# Items of a query as in the paper's authors' own working files (DjiNN, graph-gen/offloading/layer-profile, where every
# layer's elements are listed: one image, 100 digits, 548 frames, 28 words). They agree with the sizes of Tonic Suite
# (Hauswald et al., ISCA 2015), which are those of query and answer together. The paper does not give any.
_DESIGNS: Mapping[str, _Design] = MappingProxyType(
    {
        "alexnet": _Design(title="AlexNet", application="IMC", item="image", queries=1, lay=alexnet),
        "vgg19": _Design(title="VGG-19", application="VGG", item="image", queries=1, lay=vgg19),
        "deepface": _Design(title="DeepFace", application="FACE", item="image", queries=1, lay=deepface),
        "mnist": _Design(title="MNIST LeNet", application="DIG", item="digit", queries=100, lay=mnist),
        "kaldi": _Design(title="Kaldi", application="ASR", item="frame", queries=548, lay=kaldi),
        "senna-pos": _Design(title="SENNA POS", application="POS", item="word", queries=28, lay=senna_pos),
        "senna-chk": _Design(title="SENNA CHK", application="CHK", item="word", queries=28, lay=senna_chk),
        "senna-ner": _Design(title="SENNA NER", application="NER", item="word", queries=28, lay=senna_ner),
    }
)

PAPER_NETWORKS: tuple[str, ...] = tuple(_DESIGNS)


def paper_network(name: str, queries: int | None = None) -> PaperNetwork:
    """One of the paper's networks.

    Args:
        name: one of `PAPER_NETWORKS`.
        queries: how many items a query holds, 1 to 100,000; by default as many as in the files of the paper's authors.

    Raises:
        InputError: no network has that name, or a query cannot hold so many.
    """
    design = _DESIGNS.get(name)
    if design is None:
        close = difflib.get_close_matches(name, PAPER_NETWORKS, n=3)
        hint = f"did you mean {' or '.join(close)}? They are" if close else "they are"
        raise InputError(f"no network is called {name!r}; {hint} {', '.join(PAPER_NETWORKS)}")
    items = design.queries if queries is None else queries
    if not 1 <= items <= _MOST_QUERIES:
        raise InputError(
            f"a query of {name} holds 1 to {_MOST_QUERIES:,} {design.item}s, not {items:,}; write "
            f"for instance {name}@10"
        )
    return _lay_out(name, items)


def named_network(text: str) -> PaperNetwork:
    """The network that people name, `mnist` for instance; `mnist@10` is one whose query holds so many items.

    Raises:
        InputError: no network has that name, or what follows it is no number of items.
    """
    name, at, count = text.partition("@")
    if not at:
        return paper_network(name)
    if not (count.isascii() and count.isdigit() and len(count) < _MOST_DIGITS):
        raise InputError(f"{count!r} is no number of items in {text!r}; write NAME@N, for instance mnist@10")
    return paper_network(name, int(count))


@lru_cache(maxsize=_NETWORKS_KEPT)
def _lay_out(name: str, queries: int) -> PaperNetwork:
    design, stack = _DESIGNS[name], LayerStack()
    design.lay(stack, queries)
    layers, blueprint = stack.finish(name)
    fed = stack.data
    return PaperNetwork(
        name=name,
        title=design.title,
        application=design.application,
        item=design.item,
        queries=queries,
        layers=layers,
        input_name=fed.name,
        input_shape=fed.shape,
        input_dtype=fed.dtype,
        blueprint=blueprint,
    )
