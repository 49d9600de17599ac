"""Small fleets for tests: a device that takes 0.4 s alone, and a server that takes 20 ms."""

from partway.link import Link
from partway.planning import CostTable, CutCost
from partway.simulation.arrivals import Arrivals
from partway.simulation.fleets import Fleet, Group, Pause, Policy
from partway.simulation.paths import LinkPath

LINK = Link(uplink_bytes_per_s=2.5e6, downlink_bytes_per_s=7e6, rtt_s=0.01)
WHOLE = CutCost(crossing=("image",), device_s=0.0, up_bytes=150_000, server_s=0.02, down_bytes=4_000, offloaded=True)
INSIDE = CutCost(crossing=("pool5",), device_s=0.2, up_bytes=36_864, server_s=0.012, down_bytes=4_000, offloaded=True)
ALONE = CutCost(crossing=(), device_s=0.4, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
TABLE = CostTable.of([WHOLE, INSIDE, ALONE])
PAUSE = Pause(mean_s=0.5)


def group(
    devices: int = 40,
    *,
    name: str = "phones",
    table: CostTable = TABLE,
    path: LinkPath | None = None,
    requests: Pause | Arrivals = PAUSE,
    policy: Policy = "adaptive",
    heeds_load: bool = True,
    spread: float = 0.05,
) -> Group:
    """Phones that ask, wait for the answer, and rest."""
    return Group(
        name=name,
        devices=devices,
        table=table,
        path=path or LinkPath.of(LINK),
        requests=requests,
        policy=policy,
        heeds_load=heeds_load,
        spread=spread,
    )


def fleet(*groups: Group, workers: int = 1, service_variation: float = 0.0) -> Fleet:
    """A server for some groups."""
    return Fleet(groups=groups or (group(),), workers=workers, service_variation=service_variation)
