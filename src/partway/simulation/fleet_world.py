"""A fleet as the compiled loop has it: records in arrays, and what each of their fields means.

`fleet_playing` lays them out, `fleet_loops` plays with them, and nobody else sees them. Importing this needs no numba.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from partway.simulation.distributions import FloatArray

Records = npt.NDArray[np.void]
IntArray = npt.NDArray[np.int64]

# Kinds of events; an event's code is its slot, or device, times `KINDS` plus its kind.
ASK, ARRIVE, LEAVE, BACK, PING, TOLD = range(6)
KINDS = 8
# Places in `World.counts`.
EVENTS, SPARE, COMING, ANSWERED, BEGUN = range(5)
# How `advance` ends.
REACHED, FULL, CROWDED = range(3)

GROUP = np.dtype(
    [
        ("first_row", np.int64),  # of its costs
        ("end_row", np.int64),
        ("fixed", np.int64),  # the row that it always takes; -1 where it decides
        ("alone", np.int64),  # the row of the device alone, by which it may be turned away; -1 where it never is
        ("heeds", np.int64),  # 1 where decisions reckon with the load, else 0
        ("pause_varies", np.int64),  # 1 where the pause is exponential, 0 where it is constant
        ("pause_s", np.float64),  # mean time from an answer to the next request; nan where requests come by a rate
        ("factor", np.float64),  # of the device's seconds
        ("spread", np.float64),  # standard deviation of the logarithm of what chance makes of them
    ]
)
SERIES = np.dtype([("first", np.int64), ("end", np.int64), ("period_s", np.float64)])  # its stretches; inf: once only
STRETCH = np.dtype([("start_s", np.float64), ("value", np.float64)])
DEVICE = np.dtype(
    [
        ("group", np.int32),
        ("row", np.int32),  # the cut that it used last, -1 before the first
        ("delay_s", np.float64),  # what it makes of the reports
        ("heard_s", np.float64),  # when the last one came
        ("asked_s", np.float64),  # when it last asked for one
        ("told_s", np.float64),  # the report that it asked for, on its way
        ("weight", np.float64),  # of what is reported
        ("busy_s", np.float64),  # until when its last head runs
        ("sent_s", np.float64),  # until when its last tensors are sent
    ]
)
SLOT = np.dtype(  # of a request on its way
    [
        ("device", np.int32),
        ("row", np.int32),
        ("started_s", np.float64),
        ("report_s", np.float64),  # what comes back, where the device does not wait for it: the server's report
        ("left_s", np.float64),  # and, of one that was turned away, what the device has to compute
    ]
)
EVENT = np.dtype([("at_s", np.float64), ("code", np.int64)])
BIN = np.dtype(
    [
        ("busy_s", np.float64),  # seconds of service that began in this stretch of time
        ("waited_s", np.float64),  # seconds that requests which arrived in it wait for a worker
        ("served", np.int64),  # how many these are
    ]
)
ANSWER = np.dtype([("started_s", np.float64), ("latency_s", np.float32), ("row", np.int32)])
COMER = np.dtype([("at_s", np.float64), ("device", np.int64)])  # a request that comes by a rate, and whose it is


class Rules(NamedTuple):
    """What does not change.

    Attributes:
        rows: costs of cuts, float64 (rows, 5), group after group.
        groups: of devices.
        series: three for each group: uplink, downlink and round trip over time.
        stretches: of all series.
        service_spread: standard deviation of the logarithm of what chance makes of the server's seconds; negative for
            an exponential.
        smoothed_over_s, fades_in_s, doubt, doubt_lasts_s, least_weight, ask_after_s, switch_gain: see `fleets.Reading`.
        bin_s: width of the bins of `World`.
    """

    rows: FloatArray
    groups: Records
    series: Records
    stretches: Records
    service_spread: float
    smoothed_over_s: float
    fades_in_s: float
    doubt: float
    doubt_lasts_s: float
    least_weight: float
    ask_after_s: float
    switch_gain: float
    bin_s: float


class World(NamedTuple):
    """All that moves. Devices that pause between requests have the slot of their own number.

    Attributes:
        devices: what each knows and does.
        slots: requests on their way.
        spare: slots that nobody uses, a stack; int64 (slots of requests that come by a rate,).
        events: a heap by time.
        free_s: when each worker will be free, a heap; float64 (workers,).
        bins: what the server did over time, the last bin for all that is later.
        answers: in the order in which they were known.
        coming: requests that come by a rate, in order.
        counts: see the places above; int64 (5,).
    """

    devices: Records
    slots: Records
    spare: IntArray
    events: Records
    free_s: FloatArray
    bins: Records
    answers: Records
    coming: Records
    counts: IntArray
