"""A data centre on one clock: arrivals, queues, fleets of devices that decide by the load, and questions about them.

Everything but the loops is plain Python and numpy; the loops are compiled by numba, an optional extra that is imported
when something is played. Called by `partway simulate` and the studies.
"""

from partway.simulation.arrivals import (
    GOOGLE_SEARCH,
    Arrivals,
    Renewal,
    Replayed,
    poisson,
    read_curve,
    read_timestamps,
)
from partway.simulation.bad_hours import HourRun, HourTask, Timeline
from partway.simulation.compound_distributions import Empirical, Mixture
from partway.simulation.distributions import (
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Hyperexponential,
    LogNormal,
    of_variation,
    to_mean,
)
from partway.simulation.fleet_playing import Happened, play_fleet
from partway.simulation.fleet_runs import FleetRun, FleetTask, GroupRun
from partway.simulation.fleets import Fleet, Group, Pause, Reading
from partway.simulation.paths import LinkPath, Series
from partway.simulation.points import Point, fleet_point, queue_point
from partway.simulation.questions import Report, answer
from partway.simulation.queues import Batching, Played, Queue, QueueRun, QueueTask, play
from partway.simulation.replications import Crew, Precision, Replicated, replicate
from partway.simulation.scenario import (
    AgainstLoad,
    AsItIs,
    BadHour,
    MostWithin,
    Question,
    Scenario,
    Target,
    WorkersFor,
)
from partway.simulation.scenario_reading import read_scenario
from partway.simulation.statistics import Estimate

__all__ = [
    "GOOGLE_SEARCH",
    "AgainstLoad",
    "Arrivals",
    "AsItIs",
    "BadHour",
    "Batching",
    "Constant",
    "Crew",
    "Distribution",
    "Empirical",
    "Estimate",
    "Exponential",
    "Fleet",
    "FleetRun",
    "FleetTask",
    "Gamma",
    "Group",
    "GroupRun",
    "Happened",
    "HourRun",
    "HourTask",
    "Hyperexponential",
    "LinkPath",
    "LogNormal",
    "Mixture",
    "MostWithin",
    "Pause",
    "Played",
    "Point",
    "Precision",
    "Question",
    "Queue",
    "QueueRun",
    "QueueTask",
    "Reading",
    "Renewal",
    "Replayed",
    "Replicated",
    "Report",
    "Scenario",
    "Series",
    "Target",
    "Timeline",
    "WorkersFor",
    "answer",
    "fleet_point",
    "of_variation",
    "play",
    "play_fleet",
    "poisson",
    "queue_point",
    "read_curve",
    "read_scenario",
    "read_timestamps",
    "replicate",
    "to_mean",
]
