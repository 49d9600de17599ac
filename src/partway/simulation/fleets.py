"""Fleets: devices with networks, links and hardware of their own, and the one server that they share.

In come costs of cuts, links, habits and the number of workers; out come records that `fleet_playing` plays. Called by
scenarios, studies and whoever asks what a server is to bear.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

from partway.errors import InputError
from partway.planning.costs import CostTable
from partway.simulation.arrivals import Arrivals
from partway.simulation.distributions import check_variation
from partway.simulation.paths import LinkPath

Policy = Literal["adaptive", "server", "device"]

MOST_SPREAD = 4.0
"""Above every standard deviation of a logarithm: with so much, one time in forty is 2,500 times the median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How devices read the server's load and how they decide: the client's own rules and numbers.

    Attributes:
        smoothed_over_s: time constant of the mean over reports.
        fades_in_s: time constant with which what was heard is forgotten: towards an idle server.
        doubt: standard deviation of the logarithm of the weight that each device gives to queue delays; 0: none.
        doubt_lasts_s: how long a device keeps its weight, on average.
        least_weight: no weight is less.
        ask_after_s: a device that decides, computes alone and heard nothing for so long, asks.
        switch_gain: share of the latency that another cut has to save.
        turns_away: whether the server tells a request at once that would wait longer than finishing alone takes.

    Raises:
        InputError: a number is out of its range.

    Source: `client.load_view` and `client.guide`; a test holds the numbers against theirs. docs/link.md shows what they
    are good for.
    """

    smoothed_over_s: float = 1.0
    fades_in_s: float = 20.0
    doubt: float = 0.65
    doubt_lasts_s: float = 10.0
    least_weight: float = 0.7
    ask_after_s: float = 1.0
    switch_gain: float = 0.01
    turns_away: bool = True

    def __post_init__(self) -> None:
        for name in ("smoothed_over_s", "fades_in_s", "doubt_lasts_s", "ask_after_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name):g}; it must be above 0")
        if not 0 <= self.doubt < math.inf or not 0 <= self.switch_gain < 1:
            raise InputError(
                f"doubt is {self.doubt:g} and switch_gain {self.switch_gain:g}; "
                "they must be at least 0, the second below 1"
            )
        if not 0 <= self.least_weight <= 1:
            raise InputError(f"least_weight is {self.least_weight:g}; it must be from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What a device does between an answer and its next request: nothing, for a while.

    Attributes:
        mean_s: above 0.
        varies: whether pauses are exponential; all the same where not.

    Raises:
        InputError: the mean is not finite or not above 0.
    """

    mean_s: float
    varies: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.mean_s < math.inf:
            raise InputError(f"devices pause {self.mean_s:g} s between requests; it must be finite and above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Devices that are alike.

    Attributes:
        name: for tables.
        devices: how many, at least 1.
        table: what the cuts of their network cost on their hardware and on an idle worker.
        path: their link, over time.
        requests: a pause, for devices that ask again after each answer; or arrivals of the whole group's requests, each
            of a device that is drawn, whether or not others were answered.
        policy: `adaptive` for devices that decide, `server` for the row with the least bytes computed before sending,
            `device` for the device alone.
        heeds_load: whether decisions reckon with the server's reports.
        factor: the device's seconds over those of the table, above 0.
        spread: standard deviation of the logarithm of what chance makes of the device's seconds, from 0 to below
            `MOST_SPREAD`.

    Raises:
        InputError: a number is out of its range, or the policy asks for a row that the table lacks.
    """

    name: str
    devices: int
    table: CostTable
    path: LinkPath
    requests: Pause | Arrivals
    policy: Policy = "adaptive"
    heeds_load: bool = True
    factor: float = 1.0
    spread: float = 0.05

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise InputError(f"{self.name} has {self.devices} devices; it needs at least 1")
        if not 0 < self.factor < math.inf or not 0 <= self.spread < MOST_SPREAD:
            raise InputError(
                f"the devices of {self.name} take {self.factor:g} times their costs, with a spread of {self.spread:g}; "
                f"the first must be above 0, the second from 0 to below {MOST_SPREAD:g}"
            )
        self.fixed_row()

    def fixed_row(self) -> int | None:
        """The row that the policy always takes; None where devices decide.

        Raises:
            InputError: the table has no such row.
        """
        if self.policy == "adaptive":
            return None
        row = self._row(offloaded=self.policy == "server")
        if row is None:
            raise InputError(
                f"{self.name} is to run on the {self.policy} alone, and no cut of its table does; give one that does"
            )
        return row

    def row_when_turned_away(self) -> int | None:
        """The row of the device alone; None where it has none, or decides nothing by what the server tells."""
        told = self.policy == "adaptive" and self.heeds_load
        return self._row(offloaded=False) if told else None

    def _row(self, *, offloaded: bool) -> int | None:
        rows = [place for place, cost in enumerate(self.table.costs) if cost.offloaded == offloaded]
        return min(rows, key=lambda place: self.table.costs[place].device_s, default=None)

    def least_work(self) -> float:
        """Seconds of the server that each second brings, whatever the devices decide; 0 where they pause."""
        if isinstance(self.requests, Pause):
            return 0.0
        fixed = self.fixed_row()
        costs = self.table.costs if fixed is None else (self.table.costs[fixed],)
        return self.requests.rate_per_s * min(cost.server_s for cost in costs)

    def usual_s(self) -> float:
        """Seconds of a request on an idle server over the link as it is at first."""
        link = self.path.at(0.0)
        rows = range(len(self.table)) if self.fixed_row() is None else (self.fixed_row(),)
        return min(
            self.factor * cost.device_s
            + cost.offloaded * link.rtt_s
            + cost.up_bytes / link.uplink_bytes_per_s
            + cost.server_s
            + cost.down_bytes / link.downlink_bytes_per_s
            for cost in (self.table.costs[row] for row in rows if row is not None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All devices and their server.

    Attributes:
        groups: at least one.
        workers: of the server; they take requests first come, first served.
        service_variation: coefficient of variation of what chance makes of the server's seconds: 0 for none, 1 for an
            exponential, else log-normal.
        reading: how devices read the load.

    Raises:
        InputError: there are no groups or no workers, two groups share a name, or the variation is out of its range.
    """

    groups: tuple[Group, ...]
    workers: int = 1
    service_variation: float = 0.0
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"a fleet has the groups {', '.join(names) or '(none)'}; give at least one, each its own name"
            )
        if self.workers < 1:
            raise InputError(f"a server has {self.workers} workers; it needs at least 1")
        check_variation(self.service_variation)

    @property
    def devices(self) -> int:
        """Of all groups."""
        return sum(group.devices for group in self.groups)

    @property
    def load(self) -> float:
        """What requests that come by a rate ask of the server at the least, over what its workers can do.

        From 1 on, the queue grows for ever. Devices that pause wait for their answers, so they make no load here.
        """
        return math.fsum(group.least_work() for group in self.groups) / self.workers

    def with_devices(self, devices: int) -> "Fleet":
        """The same mix with another number of devices in all; every group keeps at least one.

        Requests that come by a rate of the group come so much quicker or slower.

        Raises:
            InputError: fewer devices than groups.
        """
        if devices < len(self.groups):
            raise InputError(f"{devices} devices were to make {len(self.groups)} groups; each needs at least one")
        return dataclasses.replace(self, groups=tuple(self._resized(devices)))

    def _resized(self, devices: int) -> list[Group]:
        # Largest remainders, so that the groups add up to what was asked for.
        exact = [devices * group.devices / self.devices for group in self.groups]
        counts = [max(1, math.floor(count)) for count in exact]
        order = sorted(range(len(exact)), key=lambda place: counts[place] - exact[place])
        for step in range(abs(devices - sum(counts))):
            if sum(counts) < devices:
                counts[order[step % len(order)]] += 1
            else:
                counts[counts.index(max(counts))] -= 1
        return [_with_devices(group, count) for group, count in zip(self.groups, counts, strict=True)]


def _with_devices(group: Group, devices: int) -> Group:
    requests = group.requests
    if not isinstance(requests, Pause):
        requests = requests.at_rate(requests.rate_per_s * devices / group.devices)
    return dataclasses.replace(group, devices=devices, requests=requests)
