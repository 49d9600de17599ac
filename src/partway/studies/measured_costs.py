"""Every cut by what the paper's authors measured in the place of our machines, by several readings.

On the GPUs a call returns before its work is done, and whoever waits first is billed for all of it: by the files VGG's
conv1_2 does 21 Tflop/s on a GPU whose peak is 0.33, and fc6 takes 97 % of the network. So cuts are costed twice: by
the seconds as they are filed, and with each wait spread over the layers since the wait before, in proportion to what
our machines say of them. Sums up to every wait are the same in both.

    filed seconds ──┬──────────────> as filed
    our predictions ┴─> waits spread

Input: the set-up. Output: a `Pair` of tables for each network. Pure. Called by the study of the authors' layers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from partway.prediction.physical import FloatArray
from partway.studies.choosing import believed
from partway.studies.cut_costs import CostTable
from partway.studies.data_centre import Pair
from partway.studies.hardware import Device, PaperLink
from partway.studies.layer_times import FiledNetwork, filed_networks, layer_times
from partway.studies.setup import Setup
from partway.zoo import Layer

Seconds = Literal["ours", "filed", "spread"]
"""Of layers: by our machines, as measured and filed, or these with waits spread."""

WAITING = frozenset({"fc", "local", "argmax"})
"""Kinds of layers that wait for what was queued before them, as the times of those in front of them tell."""

OURS, FILED, SPREAD = "our machines", "as filed", "waits spread"
"""Names of readings on the paper's links, with images as bytes, results sent and 100 digits."""

_FEWER_DIGITS = 10
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A way to cost the 48 configurations.

    Attributes:
        seconds: of the layers.
        setup: whose links, images and results count.
        digits: in a query of MNIST, 100 or 10.
        own_watts: whether each network has watts of its own, as in the authors' program.
    """

    seconds: Seconds
    setup: Setup
    digits: int = 100
    own_watts: bool = False

    def pairs(self) -> dict[str, Pair]:
        """Costs of all cuts of each network, on CPU and GPU."""
        cpu, gpu = self.setup.devices
        filed = filed_networks(self.digits)
        return {name: (self._table(filed[name], cpu), self._table(filed[name], gpu)) for name in self.setup.networks}

    def _table(self, filed: FiledNetwork, device: Device) -> CostTable:
        table = self.setup.table_of(filed.network, device)
        if self.seconds != "ours":
            device_s, server_s = filed.seconds[table.device], filed.seconds[table.server]
            if self.seconds == "spread":
                layers = filed.network.layers
                server_s = spread_waits(layers, server_s, self.setup.server.layers_s(layers))
                if device.label == "GPU":  # a CPU queues nothing
                    device_s = spread_waits(layers, device_s, device.machine.layers_s(layers))
            table = believed(table, device_s, server_s)
        if self.own_watts:
            own_w = filed.times.gpu_w if device.label == "GPU" else filed.times.cpu_w
            table = table.drawing(own_w / device.power_w)
        return table


def readings_by_name(setup: Setup) -> Mapping[str, Reading]:
    """What is shown: our machines, the files on the same links, and the files as their program has links and data."""
    theirs = replace(setup, image_element_bytes=_FLOAT_BYTES, links=program_links(setup))
    return {
        OURS: Reading(seconds="ours", setup=setup),
        FILED: Reading(seconds="filed", setup=setup),
        SPREAD: Reading(seconds="spread", setup=setup),
        "no result": Reading(seconds="filed", setup=replace(setup, result_sent=False)),
        "10 digits": Reading(seconds="filed", setup=setup, digits=_FEWER_DIGITS),
        "their program": Reading(seconds="filed", setup=theirs, own_watts=True),
        "their program, 10 digits": Reading(seconds="filed", setup=theirs, own_watts=True, digits=_FEWER_DIGITS),
    }


def program_links(setup: Setup) -> tuple[PaperLink, ...]:
    """The paper's radios at the rates of the authors' program."""
    rates = {uplink.link: uplink.uplink_bytes_per_s for uplink in layer_times().uplinks}
    return tuple(replace(link, uplink_bytes_per_s=rates[link.name]) for link in setup.links)


def stretches(layers: Sequence[Layer]) -> Iterator[slice]:
    """Runs of layers up to and with one that waits, and what follows the last of these."""
    start = 0
    for place, layer in enumerate(layers, start=1):
        if layer.kind in WAITING or place == len(layers):
            yield slice(start, place)
            start = place


def spread_waits(layers: Sequence[Layer], filed_s: FloatArray, ours_s: FloatArray) -> FloatArray:
    """Filed seconds with each stretch's sum in the proportions of ours, float64 (layers,).

    A stretch of which ours are 0, such as one of dropouts alone, has no proportions and stays as it is filed.

    Args:
        layers: of a network.
        filed_s: as measured, float64 (layers,).
        ours_s: by a machine, the same shape.
    """
    spread = filed_s.copy()
    for stretch in stretches(layers):
        if (total_s := ours_s[stretch].sum()) > 0.0:
            spread[stretch] = filed_s[stretch].sum() * ours_s[stretch] / total_s
    return spread
