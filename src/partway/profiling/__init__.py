"""This machine and a model in, measured seconds out."""

from partway.profiling.measurement import (
    CutTiming,
    Effort,
    Environment,
    Measurement,
    Timing,
    describe_machine,
    measure_cuts,
    summarise,
    time_session,
)

__all__ = [
    "CutTiming",
    "Effort",
    "Environment",
    "Measurement",
    "Timing",
    "describe_machine",
    "measure_cuts",
    "summarise",
    "time_session",
]
