"""ONNX files in, canonical graphs, legal cuts and sliced pieces out."""

from partway.graph.binding import Binding, BoundValue, match_value
from partway.graph.cache import Cache, Entry
from partway.graph.candidates import candidate_cuts, prefix_cuts, single_tensor_cuts
from partway.graph.canonical import GraphRuntime, canonicalise
from partway.graph.cuts import (
    Cut,
    Piece,
    cut_at,
    cut_of,
    device_only,
    node_indices,
    server_only,
    tail_piece,
    whole,
)
from partway.graph.extent import most_crossing_bytes
from partway.graph.kernels import Kernel, Operand, read_kernels, resident_bytes
from partway.graph.memory import head_bytes
from partway.graph.model import Model, Node
from partway.graph.named import FoundModel, find_model
from partway.graph.rows import row_independent
from partway.graph.slicing import Adapter, Slicer
from partway.graph.source import Source
from partway.graph.tensors import TensorInfo, dtype_name

__all__ = [
    "Adapter",
    "Binding",
    "BoundValue",
    "Cache",
    "Cut",
    "Entry",
    "FoundModel",
    "GraphRuntime",
    "Kernel",
    "Model",
    "Node",
    "Operand",
    "Piece",
    "Slicer",
    "Source",
    "TensorInfo",
    "candidate_cuts",
    "canonicalise",
    "cut_at",
    "cut_of",
    "device_only",
    "dtype_name",
    "find_model",
    "head_bytes",
    "match_value",
    "most_crossing_bytes",
    "node_indices",
    "prefix_cuts",
    "read_kernels",
    "resident_bytes",
    "row_independent",
    "server_only",
    "single_tensor_cuts",
    "tail_piece",
    "whole",
]
