"""The paper's set-up: its networks, machines and links, and all 48 configurations of them.

Input: sizes of queries, and which reading of the paper's algorithm counts. Output: a `Setup`, and from it a `CostTable`
for each network and device. Called by every study.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from partway.errors import InputError
from partway.prediction.analytic import AnalyticMachine
from partway.studies.cut_costs import CostTable, cost_table
from partway.studies.hardware import DEVICE_NAMES, SERVER_NAME, Device, PaperLink, analytic_machine, paper_links
from partway.zoo import PAPER_NETWORKS, PaperNetwork, paper_network


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
