"""Machines by what their datasheets say, for those that nobody can profile: any layer's seconds by a roofline."""

from partway.prediction.analytic.machine import AnalyticMachine, Parameter, Share, Shares, calibrate
from partway.prediction.analytic.named import NAMED_MACHINES, machine_hint, named_machine
from partway.prediction.analytic.work import Work, WorkKind, work_of_layer, work_of_node

__all__ = [
    "NAMED_MACHINES",
    "AnalyticMachine",
    "Parameter",
    "Share",
    "Shares",
    "Work",
    "WorkKind",
    "calibrate",
    "machine_hint",
    "named_machine",
    "work_of_layer",
    "work_of_node",
]
