"""Networks made to order: a builder of ONNX graphs, and random graphs of every kind of kernel."""

from partway.zoo.builder import GraphBuilder
from partway.zoo.graph import ABSENT, Tensor
from partway.zoo.random_graphs import BLOCKS, random_graph

__all__ = ["ABSENT", "BLOCKS", "GraphBuilder", "Tensor", "random_graph"]
