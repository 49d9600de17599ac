"""The eight networks that the paper measured, built here."""

from partway.zoo.paper.layer import Layer, LayerKind
from partway.zoo.paper.network import PAPER_NETWORKS, Application, PaperNetwork, named_network, paper_network

__all__ = ["PAPER_NETWORKS", "Application", "Layer", "LayerKind", "PaperNetwork", "named_network", "paper_network"]
