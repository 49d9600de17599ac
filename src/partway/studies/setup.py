"""The paper's set-up: its networks, machines and links, and what every cut of a network costs there.

Input: sizes of queries. Output: a `Setup`, and from it a `CostTable` for each network and device, whose latencies and
joules are those of the paper's Algorithm 1: a chain of layers, cut once, no round trip, no way down, no watts but the
radio's while the device sends and waits. Called by every study.

    cut k of N layers:   0 is server-only, N is device-only, k runs the first k layers on the device

Read literally, the algorithm's device-only sends its result to the server, and so it is in the program that the paper's
authors published (claritylab/djinn at 360938d, graph-gen/offloading/prediction_model/neurosurgeon.py). So it is here;
`result_sent=False` is the other reading. It decides nothing for images, and nearly all for words and frames, whose
results are not small.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, Algorithm 1, and section 3 for hardware and links.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from partway.errors import InputError
from partway.link import NAMED_LINKS, NAMED_RADIOS, Radio
from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, named_machine
from partway.zoo import PAPER_NETWORKS, PaperNetwork, paper_network

FloatArray = NDArray[np.float64]

DEVICE_NAMES = ("jetson-tk1-cpu", "jetson-tk1-gpu")
SERVER_NAME = "tesla-k40"
LINK_NAMES: Mapping[str, str] = MappingProxyType({"Wi-Fi": "paper-wifi", "LTE": "paper-lte", "3G": "paper-3g"})

_FLOAT_BYTES = 4

DEVICE_POWER_RANGE_W: Mapping[str, tuple[float, float]] = MappingProxyType({"CPU": (3.5, 9.2), "GPU": (5.1, 10.8)})
"""Watts of computing by processor, of the least and the most of the eight networks; the machines' own are AlexNet's.
The sources give no joules of the status quo to calibrate on, so studies also say at which watts statements turn.

Source: the program of the paper's authors (claritylab/djinn at 360938d, graph-gen/offloading/prediction_model/
neurosurgeon.py); an older version, at 1ceab4c, has 12.4 W for ASR on the GPU.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLink:
    """One of the paper's three radios.

    Attributes:
        name: as the paper writes it.
        uplink_bytes_per_s: payload bytes per second, > 0.
        radio: what it draws.
    """

    name: str
    uplink_bytes_per_s: float
    radio: Radio

    @property
    def tx_w(self) -> float:
        """Watts of the radio while it sends at this rate."""
        return self.radio.tx_w(self.uplink_bytes_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One processor of the paper's device.

    Attributes:
        name: of its analytic machine.
        label: as the paper calls it: `CPU` or `GPU`.
        machine: seconds of any layer.
        power_w: of the whole device while it computes, > 0; the paper counts idle watts there, and nowhere else.
    """

    name: str
    label: str
    machine: AnalyticMachine
    power_w: float

    @classmethod
    def named(cls, name: str, label: str) -> "Device":
        """The processor of a machine that ships with the package.

        Raises:
            InputError: no machine has that name, or nothing is known of its watts.
        """
        machine = analytic_machine(name)
        if machine.power is None:
            raise InputError(f"the machine {name} has no watts, which joules need; give active_w and idle_w")
        return cls(name=name, label=label, machine=machine, power_w=machine.power.active_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """What every cut of one network costs on one pair of machines.

    Attributes:
        network: that is cut.
        device: name of the device's machine.
        server: name of the server's.
        device_s: seconds of the head of cut k, float64 (layers + 1,), never falling, 0 first.
        server_s: seconds of its tail on an idle server, the same shape, never rising, 0 last.
        up_bytes: bytes that it sends, the same shape; last those of the result, or 0 where it is not sent.
        device_j: joules of the head, the same shape.
    """

    network: PaperNetwork
    device: str
    server: str
    device_s: FloatArray
    server_s: FloatArray
    up_bytes: FloatArray
    device_j: FloatArray

    def __len__(self) -> int:
        return len(self.device_s)

    def latency_s(self, link: PaperLink, slowdown: float = 1.0) -> FloatArray:
        """Seconds of a query under every cut.

        Args:
            link: between the two.
            slowdown: how many times slower the server is than when idle, >= 1.

        Source: Algorithm 1 of the paper, objective latency.
        """
        return self.device_s + self.up_bytes / link.uplink_bytes_per_s + slowdown * self.server_s

    def energy_j(self, link: PaperLink) -> FloatArray:
        """Joules of the device for a query under every cut.

        Source: Algorithm 1 of the paper, objective energy.
        """
        return self.device_j + link.tx_w * (self.up_bytes / link.uplink_bytes_per_s)

    def name_of(self, cut: int) -> str:
        """`server`, `device`, or the layer after which it cuts."""
        if cut == 0:
            return "server"
        return "device" if cut == len(self) - 1 else self.network.layers[cut - 1].name

    def faster(self, *, device: float = 1.0, server: float = 1.0) -> "CostTable":
        """The table of machines that are so many times as fast; joules of the head fall with its seconds.

        Args:
            device: > 0.
            server: > 0.
        """
        return replace(
            self, device_s=self.device_s / device, device_j=self.device_j / device, server_s=self.server_s / server
        )

    def drawing(self, power_factor: float) -> "CostTable":
        """The table of a device that draws so many times the watts while it computes, > 0."""
        return replace(self, device_j=power_factor * self.device_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One of the paper's 48: a network on a device over a link.

    Attributes:
        network: its name.
        device: the processor.
        link: the radio.
        table: what every cut costs.
    """

    network: str
    device: Device
    link: PaperLink
    table: CostTable

    @property
    def gain(self) -> float:
        """How many times faster the fastest cut is than server-only, >= 1."""
        latency_s = self.table.latency_s(self.link)
        return float(latency_s[0] / latency_s.min())

    @property
    def energy_saved(self) -> float:
        """What the cut of least energy saves against server-only, a share in [0, 1)."""
        energy_j = self.table.energy_j(self.link)
        return float(1.0 - energy_j.min() / energy_j[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Networks, machines and links of the paper.

    Attributes:
        networks: by name, in the paper's order.
        devices: the device's CPU, then its GPU.
        server: the machine in the data centre.
        links: Wi-Fi, LTE, 3G.
        result_sent: whether device-only sends its result to the server.
        image_element_bytes: of an image's element on its way: 1 as it is stored, 4 as float32.
        seed: of whatever a study draws at random.
    """

    networks: Mapping[str, PaperNetwork]
    devices: tuple[Device, ...]
    server: AnalyticMachine
    links: tuple[PaperLink, ...]
    result_sent: bool = True
    image_element_bytes: int = 1
    seed: int = 0

    @classmethod
    def of_paper(cls, *, queries: Mapping[str, int] | None = None, result_sent: bool = True, seed: int = 0) -> "Setup":
        """The paper's set-up.

        Args:
            queries: items in a query by the network's name, where not the zoo's own.
            result_sent: whether device-only sends its result to the server.
            seed: of whatever a study draws at random, >= 0.

        Raises:
            InputError: a name is no network's, or a query cannot hold so many.
        """
        given = {} if queries is None else queries
        if unknown := sorted(given.keys() - set(PAPER_NETWORKS)):
            raise InputError(f"{', '.join(unknown)} is no network of the paper's; they are {', '.join(PAPER_NETWORKS)}")
        return cls(
            networks={name: paper_network(name, given.get(name)) for name in PAPER_NETWORKS},
            devices=tuple(Device.named(name, label) for name, label in zip(DEVICE_NAMES, ("CPU", "GPU"), strict=True)),
            server=analytic_machine(SERVER_NAME),
            links=paper_links(),
            result_sent=result_sent,
            seed=seed,
        )

    def device(self, label: str) -> Device:
        """The device's `CPU` or `GPU`."""
        return next(device for device in self.devices if device.label == label)

    def link(self, name: str) -> PaperLink:
        """The link of a name, for instance `Wi-Fi`."""
        return next(link for link in self.links if link.name == name)

    def table(self, network: str, device: Device) -> CostTable:
        """What every cut of a network costs with a device.

        Args:
            network: its name.
            device: the processor that runs the head.
        """
        return self.table_of(self.networks[network], device)

    def table_of(self, network: PaperNetwork, device: Device) -> CostTable:
        """The same for any network, for instance one of another size of query."""
        return cost_table(
            network,
            device,
            self.server,
            result_sent=self.result_sent,
            image_element_bytes=self.image_element_bytes,
        )

    def configurations(self) -> Iterator[Configuration]:
        """All of networks, devices and links: 48 with the paper's."""
        for network in self.networks:
            for device in self.devices:
                table = self.table(network, device)
                for link in self.links:
                    yield Configuration(network=network, device=device, link=link, table=table)


def cost_table(
    network: PaperNetwork,
    device: Device,
    server: AnalyticMachine,
    *,
    result_sent: bool,
    image_element_bytes: int = 1,
) -> CostTable:
    """What every cut of a network costs on two machines.

    Args:
        network: a chain of layers.
        device: runs heads.
        server: runs tails, idle.
        result_sent: whether device-only sends its result, as float32 like all that crosses.
        image_element_bytes: of an input that is stored as bytes, on its way.
    """
    device_s = _running(device.machine.layers_s(network.layers))
    whole_s = _running(server.layers_s(network.layers))
    result_bytes = _FLOAT_BYTES * math.prod(network.layers[-1].output_shape) if result_sent else 0
    input_bytes = network.input_bytes * (image_element_bytes if network.input_dtype == np.uint8 else 1)
    crossing = [input_bytes, *(layer.output_bytes for layer in network.layers[:-1]), result_bytes]
    return CostTable(
        network=network,
        device=device.name,
        server=server.name,
        device_s=device_s,
        server_s=whole_s[-1] - whole_s,
        up_bytes=np.array(crossing, dtype=np.float64),
        device_j=device.power_w * device_s,
    )


def analytic_machine(name: str) -> AnalyticMachine:
    """A machine that ships with the package.

    Raises:
        InputError: none has that name.
    """
    machine = named_machine(name)
    if machine is None:
        raise InputError(f"{name!r} is no machine that ships with the package; they are {', '.join(NAMED_MACHINES)}")
    return machine


def _running(seconds: FloatArray) -> FloatArray:
    return np.concatenate(([0.0], np.cumsum(seconds)))


def paper_links() -> tuple[PaperLink, ...]:
    """Wi-Fi, LTE and 3G as `--link paper-wifi`, `paper-lte` and `paper-3g` name them.

    Source: rates: AlexNet's image over the uploads of the paper's Figure 3. Watts: Huang et al., MobiSys 2012.
    """
    return tuple(
        PaperLink(name=name, uplink_bytes_per_s=NAMED_LINKS[known].uplink_bytes_per_s, radio=NAMED_RADIOS[known])
        for name, known in LINK_NAMES.items()
    )
