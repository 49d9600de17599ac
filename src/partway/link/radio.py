"""What a device's radio draws: text or a link's name comes in, a `Radio` leaves.

    lte                                     a named radio
    tx=1.2W,rx=1.0W,idle=0.5W               watts while it sends, receives and waits
    tx=1.2W,rx=1.0W,idle=0.5W,tail=3s       the same, and how long it still waits after the last packet

A radio never knows that it is done, so it goes through these states, each with watts of its own:

    asleep ─> promotion ─> sends, waits, receives ─> tail, in one stage or more ─> asleep
              once         the request itself        once, after its last packet

All watts are the radio's alone: what the rest of the device draws meanwhile comes on top. Called by planning,
which turns watts into joules of cuts, and by the command line.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from partway.errors import InputError, LinkError
from partway.link.state import check_rate
from partway.units import parse_duration, parse_power

_KEYS = ("tx", "rx", "idle", "tail")
_NEEDED = _KEYS[:3]
_EXAMPLE = "tx=1.2W,rx=1.0W,idle=0.5W"

# One mW per Mbit/s, in joules per byte.
_J_PER_BYTE = 1e-3 / (1e6 / 8)


def _check(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise LinkError(f"{name} is {value:g}; it must be finite and not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioStage:
    """A state that a radio stays in for a known time.

    Attributes:
        duration_s: seconds in it, >= 0.
        power_w: watts of the radio in it, >= 0.

    Raises:
        LinkError: a value is negative or not finite.
    """

    duration_s: float
    power_w: float

    def __post_init__(self) -> None:
        _check("duration_s of a radio's stage", self.duration_s)
        _check("power_w of a radio's stage", self.power_w)

    @property
    def energy_j(self) -> float:
        """Joules of the whole stage."""
        return self.duration_s * self.power_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """What a radio draws, at whichever rate it carries bytes.

    Watts grow linearly with the rate. The slope, watts per byte/s, is joules per byte: what a byte costs
    however fast it goes. The base is what every second costs, so a faster link saves energy through it alone.

    Attributes:
        tx_j_per_byte: joules that each byte sent adds, >= 0.
        tx_base_w: watts while sending, without those bytes, >= 0.
        rx_j_per_byte: joules that each byte received adds, >= 0.
        rx_base_w: watts while receiving, without those bytes, >= 0.
        idle_w: watts while it waits for an answer, connected, >= 0.
        promotion: waking it from sleep, before the first packet; None where nothing is known of it.
        tail: what it goes through after the last packet, in order; empty where it sleeps at once.
        source: where the numbers come from, for showing beside every joule made from them.

    Raises:
        LinkError: a value is negative or not finite.
    """

    tx_j_per_byte: float
    tx_base_w: float
    rx_j_per_byte: float
    rx_base_w: float
    idle_w: float
    promotion: RadioStage | None = None
    tail: tuple[RadioStage, ...] = ()
    source: str

    def __post_init__(self) -> None:
        for name in ("tx_j_per_byte", "tx_base_w", "rx_j_per_byte", "rx_base_w", "idle_w"):
            _check(f"{name} of a radio", getattr(self, name))

    def tx_w(self, uplink_bytes_per_s: float) -> float:
        """Watts while it sends at a rate.

        Raises:
            LinkError: the rate is not finite, or not above 0.
        """
        check_rate("uplink", uplink_bytes_per_s)
        return self.tx_j_per_byte * uplink_bytes_per_s + self.tx_base_w

    def rx_w(self, downlink_bytes_per_s: float) -> float:
        """Watts while it receives at a rate.

        Raises:
            LinkError: the rate is not finite, or not above 0.
        """
        check_rate("downlink", downlink_bytes_per_s)
        return self.rx_j_per_byte * downlink_bytes_per_s + self.rx_base_w

    @property
    def tail_j(self) -> float:
        """Joules of the whole tail: what a request pays after which none follows while the tail lasts."""
        return math.fsum(stage.energy_j for stage in self.tail)


def _huang(
    *, up: float, down: float, base: float, promotion: tuple[float, float], tail: tuple[tuple[float, float], ...]
) -> Radio:
    """A radio from numbers as the source prints them.

    Args:
        up: slope of sending, mW per Mbit/s.
        down: slope of receiving, mW per Mbit/s.
        base: of both, mW.
        promotion: ms and mW.
        tail: ms and mW of each stage.
    """
    woken, *stages = (RadioStage(duration_s=ms * 1e-3, power_w=mw * 1e-3) for ms, mw in (promotion, *tail))
    return Radio(
        tx_j_per_byte=up * _J_PER_BYTE,
        tx_base_w=base * 1e-3,
        rx_j_per_byte=down * _J_PER_BYTE,
        rx_base_w=base * 1e-3,
        idle_w=stages[0].power_w,
        promotion=woken,
        tail=tuple(stages),
        source="constants of a 2012 phone, Huang et al., MobiSys 2012; tail second-hand",
    )


# Source: Huang et al., A close examination of performance and power characteristics of 4G LTE networks,
# MobiSys 2012. Slopes and bases: as JointDNN (Eshratifar et al., IEEE TMC 2019) and DADS (INFOCOM 2019) use
# them; at rates far above those of 2012 the lines are extrapolations. Promotions and tails: second-hand, not
# compared with the paper itself.
# Waiting: what we have of the source gives no figure for a wait inside a request. A radio that hears nothing
# is in the first stage of its tail, so that stage's watts are taken. They are too many for a wait that
# outlasts the stage (0.24 s on Wi-Fi, seconds elsewhere), and too few for one of milliseconds.
_HUANG: Mapping[str, Radio] = MappingProxyType(
    {
        "3g": _huang(
            up=868.98,
            down=122.12,
            base=817.88,
            promotion=(582.1, 659.4),
            tail=((8088.2, 803.9), (824.2, 601.3)),
        ),
        "lte": _huang(up=438.39, down=51.97, base=1288.04, promotion=(260.1, 1210.7), tail=((11_576.0, 1060.0),)),
        "wifi": _huang(up=283.17, down=137.01, base=132.86, promotion=(79.1, 124.4), tail=((238.1, 119.3),)),
    }
)
NAMED_RADIOS: Mapping[str, Radio] = MappingProxyType(
    {**_HUANG, **{f"paper-{name}": radio for name, radio in _HUANG.items()}}
)
"""Radios by the names of `NAMED_LINKS`, so that a link's name implies its radio."""


def parse_radio(text: str) -> Radio:
    """The radio that `text` describes.

    Args:
        text: a name of `NAMED_RADIOS` in any case, or `key=value` pairs with commas between them: `tx`, `rx`
            and `idle` are watts with their unit, W or mW, at whatever rate; `tail`, if given, is how long it
            stays at `idle` after the last packet, with its unit.

    Raises:
        LinkError: nothing of these, an unknown, repeated or missing key, or a wrong value.
    """
    text = text.strip()
    named = radio_of(text)
    if named is not None:
        return named
    if "=" not in text:
        raise LinkError(f"{text!r} is no radio; write one of {', '.join(sorted(NAMED_RADIOS))}, or {_EXAMPLE!r}")
    values = _split(text)
    tx_w, rx_w, idle_w = (_parse_value(key, values[key], parse_power) for key in _NEEDED)
    tail: tuple[RadioStage, ...] = ()
    if "tail" in values:
        tail = (RadioStage(duration_s=_parse_value("tail", values["tail"], parse_duration), power_w=idle_w),)
    return Radio(
        tx_j_per_byte=0.0,
        tx_base_w=tx_w,
        rx_j_per_byte=0.0,
        rx_base_w=rx_w,
        idle_w=idle_w,
        tail=tail,
        source=f"as given: {text}",
    )


def radio_of(link: str) -> Radio | None:
    """The radio that a link's name implies; None for a link that is described by its rates or a trace.

    Args:
        link: the link as `parse_link` reads it.
    """
    return NAMED_RADIOS.get(link.strip().lower())


def _split(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or key not in _KEYS:
            raise LinkError(f"{part.strip()!r} in the radio {text!r} is none of {_known()}; for instance {_EXAMPLE!r}")
        if key in values:
            raise LinkError(f"the radio {text!r} has {key!r} twice; give each of {_known()} once")
        values[key] = value
    for key in _NEEDED:
        if key not in values:
            raise LinkError(f"the radio {text!r} has no '{key}='; write for instance {_EXAMPLE!r}")
    return values


def _known() -> str:
    return ", ".join(f"{key}=" for key in _KEYS)


def _parse_value(key: str, text: str, parse: Callable[[str], float]) -> float:
    try:
        return parse(text)
    except InputError as error:
        raise LinkError(f"{key}={text}: {error}") from error
