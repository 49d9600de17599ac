"""Pieces of a graph in, sessions that run them out."""

import partway.engine.privacy  # noqa: F401 - before anything loads the runtime
from partway.engine.feeds import random_feeds
from partway.engine.ort import CPU, Level, NodeArg, OrtRuntime, OrtSession
from partway.engine.pieces import PieceStore
from partway.engine.session import Clock, Session, Sleep, SlowSession

__all__ = [
    "CPU",
    "Clock",
    "Level",
    "NodeArg",
    "OrtRuntime",
    "OrtSession",
    "PieceStore",
    "Session",
    "Sleep",
    "SlowSession",
    "random_feeds",
]
