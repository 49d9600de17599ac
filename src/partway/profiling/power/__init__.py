"""Sensors in, joules out: RAPL, NVML, a Jetson's rails, batteries, and constants where there is none."""

from partway.profiling.power.constants import NAMED_POWERS, ConstantPower, parse_power
from partway.profiling.power.discovery import find_meters
from partway.profiling.power.meters import FoundMeters, Meter, Obstacle, PowerMeter, uncertainty_j

__all__ = [
    "NAMED_POWERS",
    "ConstantPower",
    "FoundMeters",
    "Meter",
    "Obstacle",
    "PowerMeter",
    "find_meters",
    "parse_power",
    "uncertainty_j",
]
