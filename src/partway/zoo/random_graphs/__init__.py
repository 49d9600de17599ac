"""Random graphs whose kernels are those of networks in use."""

from partway.zoo.random_graphs.block import Block
from partway.zoo.random_graphs.random_graph import BLOCKS, random_graph

__all__ = ["BLOCKS", "Block", "random_graph"]
