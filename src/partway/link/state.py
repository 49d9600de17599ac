"""What a network link is at one moment, and the links that people name.

Numbers come in from link descriptions, traces and the estimator; `Link` records leave for planning, the
emulator and tables.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from partway.errors import LinkError
from partway.units import parse_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Both rates and the round trip time of a link, as a device sees them.

    Attributes:
        uplink_bytes_per_s: payload bytes per second from device to server, above 0.
        downlink_bytes_per_s: payload bytes per second from server to device, above 0.
        rtt_s: seconds that an empty message and its empty answer take, at least 0.

    Raises:
        LinkError: a value is not finite, or out of its range.
    """

    uplink_bytes_per_s: float
    downlink_bytes_per_s: float
    rtt_s: float

    def __post_init__(self) -> None:
        check_rate("uplink", self.uplink_bytes_per_s)
        check_rate("downlink", self.downlink_bytes_per_s)
        check_rtt(self.rtt_s)


def check_rate(name: str, rate_bytes_per_s: float) -> None:
    """Refuse a rate that no link can have.

    Args:
        name: what to call the rate in the message.
        rate_bytes_per_s: the rate to check.

    Raises:
        LinkError: the rate is not finite, or not above 0.
    """
    if not (math.isfinite(rate_bytes_per_s) and rate_bytes_per_s > 0):
        raise LinkError(
            f"the {name} rate is {rate_bytes_per_s:g} B/s; it must be a finite number above 0, "
            "since a link that is cut is no rate"
        )


def check_rtt(rtt_s: float) -> None:
    """Refuse a round trip time that no link can have.

    Raises:
        LinkError: the time is not finite, or below 0.
    """
    if not (math.isfinite(rtt_s) and rtt_s >= 0):
        raise LinkError(f"the round trip time is {rtt_s:g} s; it must be a finite number of at least 0")


# Rates: as JointDNN (Eshratifar et al., IEEE TMC 2019) measured and DADS (INFOCOM 2019) reuses them.
# Round trip times: assumptions of ours, typical of each radio; neither source gives them.
_JOINTDNN: Mapping[str, Link] = MappingProxyType(
    {
        "3g": Link(
            uplink_bytes_per_s=parse_rate("1.1Mbit/s"),
            downlink_bytes_per_s=parse_rate("2.0275Mbit/s"),
            rtt_s=0.100,
        ),
        "lte": Link(
            uplink_bytes_per_s=parse_rate("5.85Mbit/s"),
            downlink_bytes_per_s=parse_rate("13.76Mbit/s"),
            rtt_s=0.050,
        ),
        "wifi": Link(
            uplink_bytes_per_s=parse_rate("18.88Mbit/s"),
            downlink_bytes_per_s=parse_rate("54.97Mbit/s"),
            rtt_s=0.005,
        ),
    }
)

_PAPER_IMAGE_BYTES = 227 * 227 * 3  # one byte a colour, which the paper rounds to 152 KB


def _paper_link(*, upload_s: float, down: str) -> Link:
    return Link(uplink_bytes_per_s=_PAPER_IMAGE_BYTES / upload_s, downlink_bytes_per_s=parse_rate(down), rtt_s=0.0)


# Links of Kang et al., Neurosurgeon, ASPLOS 2017. Uplinks: at which the upload of AlexNet's image takes what Fig. 3
# says. Downlinks: the paper counts no answers; as its authors have them in their files (claritylab/djinn at 360938d,
# graph-gen/offloading/prediction_model/neurosurgeon.py). Round trip: none, since the measured uploads hold it.
_NEUROSURGEON: Mapping[str, Link] = MappingProxyType(
    {
        "paper-3g": _paper_link(upload_s=0.870, down="3.84Mbit/s"),
        "paper-lte": _paper_link(upload_s=0.180, down="24.3Mbit/s"),
        "paper-wifi": _paper_link(upload_s=0.095, down="34.2Mbit/s"),
    }
)

NAMED_LINKS: Mapping[str, Link] = MappingProxyType({**_JOINTDNN, **_NEUROSURGEON})
"""Links by name: as JointDNN measured them, and those of Neurosurgeon under `paper-`."""
