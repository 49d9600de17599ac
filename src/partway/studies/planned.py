"""The same cuts as partway's planner has them, which counts more than the paper's Algorithm 1.

    CostTable of studies ─> every cut, raw and packed ─> CostTable of planning ─> decide
    PaperLink            ─> rates, round trip ─> Conditions ─> what the radio draws ─> PowerDraw

Counted beside the paper's terms: a round trip, the answer's way down, the watts of a device that waits or receives, and
crossing tensors that are packed without loss where that pays. Device-only sends nothing, whatever the paper's sends.
Input: costs and links of the paper's set-up. Output:
records of planning. Called by the studies that put the planner beside the paper, and by those that simulate.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from partway.errors import InputError
from partway.link import NAMED_LINKS, Link
from partway.planning import Conditions, CutCost, PowerDraw, chain_cuts
from partway.planning import CostTable as PlanningTable
from partway.studies.cut_costs import CostTable
from partway.studies.hardware import LINK_NAMES, Device, PaperLink

_FREE_BYTES_PER_S = 1e15
_DEVICE_SLOWDOWN = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """What a lossless codec makes of crossing tensors of floats; pictures of bytes travel as they are.

    Attributes:
        ratio: raw over packed bytes, >= 1.
        encode_bytes_per_s: raw bytes a second on the device, > 0.
        decode_bytes_per_s: raw bytes a second on the server, > 0.
    """

    ratio: float
    encode_bytes_per_s: float
    decode_bytes_per_s: float


RATIOS = (1.10, 1.20, 1.28, 1.86, 3.30)
"""Raw over packed bytes of five trained models, the median over the tensors of each one's cuts, ascending.

Source: `python -m benchmarks.coding`, docs/planning.md.
"""

# Rates on a core of a server, from the same table; the device is taken to be eight times slower, as in its plans.
ZSTD = Packing(ratio=RATIOS[2], encode_bytes_per_s=1016e6 / _DEVICE_SLOWDOWN, decode_bytes_per_s=1731e6)
"""Zstandard at the median ratio."""


def paper_costs(table: CostTable) -> PlanningTable:
    """Every cut by the paper's terms alone: nothing comes back, and device-only sends nothing.

    Args:
        table: of the paper's set-up.
    """
    return PlanningTable.of(_raw(table, down_bytes=0))


def planned_costs(table: CostTable, packing: Packing | None = ZSTD) -> PlanningTable:
    """Every cut with the answer's bytes: first as it is, then packed where floats cross.

    Args:
        table: of the paper's set-up.
        packing: of what crosses; None for none.
    """
    raw = _raw(table, down_bytes=table.network.layers[-1].output_bytes)
    return PlanningTable.of([*raw, *(() if packing is None else _packed(table, raw, packing))])


def name_of_row(table: CostTable, row: int) -> str:
    """What a row of `planned_costs` is: as `CostTable.name_of`, and whether it is packed.

    Args:
        table: that the costs were made of.
        row: of the costs.
    """
    if row < len(table):
        return table.name_of(row)
    return f"{table.name_of(_packable(table)[row - len(table)])}, packed"


def paper_path(link: PaperLink) -> Link:
    """The link as the paper counts it: no round trip, and a way down that costs nothing."""
    return Link(uplink_bytes_per_s=link.uplink_bytes_per_s, downlink_bytes_per_s=_FREE_BYTES_PER_S, rtt_s=0.0)


def conditions_over(link: PaperLink) -> Conditions:
    """A link of the paper's with the round trip and the downlink that its radio usually has; the server is idle.

    Source: `partway.link.NAMED_LINKS`: downlinks of the paper's links, and the round trips that are assumed for such
    radios, since the paper's links have none.
    """
    name = LINK_NAMES[link.name]
    return Conditions(
        uplink_bytes_per_s=link.uplink_bytes_per_s,
        downlink_bytes_per_s=NAMED_LINKS[name].downlink_bytes_per_s,
        rtt_s=NAMED_LINKS[name.removeprefix("paper-")].rtt_s,
    )


def draw_over(link: PaperLink, device: Device) -> PowerDraw:
    """What the device draws while it sends, waits and receives: its radio's watts and those of the idle board.

    Raises:
        InputError: nothing is known of the device's watts.
    """
    power = device.machine.power
    if power is None:
        raise InputError(f"the machine {device.name} has no watts, which joules need; give active_w and idle_w")
    return PowerDraw.of(link.radio, conditions_over(link), device_idle_w=power.idle_w)


def _raw(table: CostTable, down_bytes: int) -> tuple[CutCost, ...]:
    return chain_cuts(
        table.network,
        table.device_s,
        table.server_s,
        input_bytes=int(table.up_bytes[0]),
        down_bytes=down_bytes,
        heads_j=table.device_j,
    )


def _packable(table: CostTable) -> range:
    # Cuts at which floats cross.
    return range(1 if table.network.input_dtype.itemsize == 1 else 0, len(table) - 1)


def _packed(table: CostTable, raw: Sequence[CutCost], packing: Packing) -> Iterator[CutCost]:
    watts = float(table.device_j[-1] / table.device_s[-1])
    for cut in _packable(table):
        cost = raw[cut]
        encode_s, decode_s = cost.up_bytes / packing.encode_bytes_per_s, cost.up_bytes / packing.decode_bytes_per_s
        yield CutCost(
            crossing=cost.crossing,
            device_s=cost.device_s + encode_s,
            up_bytes=math.ceil(cost.up_bytes / packing.ratio),
            server_s=cost.server_s + decode_s,
            down_bytes=cost.down_bytes,
            offloaded=True,
            device_j=(cost.device_j or 0.0) + watts * encode_s,
            device_j_how="constant",
            how="analytic",
            codec="zstd",
        )
