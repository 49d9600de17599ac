"""Pieces of a graph in, sessions that run them out."""

import partway.engine.privacy  # noqa: F401 - before anything loads the runtime
from partway.engine.budget import MemoryBudget
from partway.engine.feeds import random_feeds
from partway.engine.kernel_timing import ProfiledSession, TimedGraph, prepare_timing
from partway.engine.ort import CPU, Level, NodeArg, OrtRuntime, OrtSession
from partway.engine.piece_kernels import PieceKernels
from partway.engine.pieces import PieceStore
from partway.engine.session import Clock, Session, Sleep, SlowSession
from partway.engine.stopping import Stop

__all__ = [
    "CPU",
    "Clock",
    "Level",
    "MemoryBudget",
    "NodeArg",
    "OrtRuntime",
    "OrtSession",
    "PieceKernels",
    "PieceStore",
    "ProfiledSession",
    "Session",
    "Sleep",
    "SlowSession",
    "Stop",
    "TimedGraph",
    "prepare_timing",
    "random_feeds",
]
