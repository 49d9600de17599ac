"""The paper's machines and links: what its authors' own are here.

Input: names of machines and links that ship with the package. Output: `Device` and `PaperLink`. Called by the set-up,
and by studies that turn one of them.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from partway.errors import InputError
from partway.link import NAMED_LINKS, NAMED_RADIOS, Radio
from partway.prediction.analytic import NAMED_MACHINES, AnalyticMachine, named_machine

DEVICE_NAMES = ("jetson-tk1-cpu", "jetson-tk1-gpu")
SERVER_NAME = "tesla-k40"
LINK_NAMES: Mapping[str, str] = MappingProxyType({"Wi-Fi": "paper-wifi", "LTE": "paper-lte", "3G": "paper-3g"})

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


def analytic_machine(name: str) -> AnalyticMachine:
    """A machine that ships with the package.

    Raises:
        InputError: none has that name.
    """
    machine = named_machine(name)
    if machine is None:
        raise InputError(f"{name!r} is no machine that ships with the package; they are {', '.join(NAMED_MACHINES)}")
    return machine


def paper_links() -> tuple[PaperLink, ...]:
    """Wi-Fi, LTE and 3G as `--link paper-wifi`, `paper-lte` and `paper-3g` name them.

    Source: rates: AlexNet's image over the uploads of the paper's Figure 3. Watts: Huang et al., MobiSys 2012.
    """
    return tuple(
        PaperLink(name=name, uplink_bytes_per_s=NAMED_LINKS[known].uplink_bytes_per_s, radio=NAMED_RADIOS[known])
        for name, known in LINK_NAMES.items()
    )
