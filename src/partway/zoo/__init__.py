"""Networks made to order: the paper's eight, a builder of ONNX graphs, and random graphs of every kind of kernel."""

from partway.zoo.builder import GraphBuilder
from partway.zoo.graph import ABSENT, Tensor
from partway.zoo.paper import (
    PAPER_NETWORKS,
    Application,
    Layer,
    LayerKind,
    PaperNetwork,
    named_network,
    paper_network,
)
from partway.zoo.random_graphs import BLOCKS, random_graph

__all__ = [
    "ABSENT",
    "BLOCKS",
    "PAPER_NETWORKS",
    "Application",
    "GraphBuilder",
    "Layer",
    "LayerKind",
    "PaperNetwork",
    "Tensor",
    "named_network",
    "paper_network",
    "random_graph",
]
