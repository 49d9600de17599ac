"""Links as people write them: text comes in, a `Link` or a `LinkTrace` leaves.

    lte                                          a named link; paper-lte is that of the Neurosurgeon paper
    up=5.85Mbit/s,down=13.76Mbit/s,rtt=50ms      rates and round trip time
    trace.csv                                    a trace, for both ways
    up=trace.csv,down=20Mbit/s,rtt=40ms          a trace one way

`down` is as `up` unless given, and `rtt` is 0 unless given. Called by the command line and the demo.
"""

from pathlib import Path

from partway.errors import InputError, LinkError
from partway.link.state import NAMED_LINKS, Link
from partway.link.trace import LinkTrace, Trace, read_trace
from partway.units import parse_duration, parse_rate

_KEYS = ("up", "down", "rtt")
_EXAMPLE = "up=5.85Mbit/s,down=13.76Mbit/s,rtt=50ms"


def parse_link(text: str) -> Link | LinkTrace:
    """The link that `text` describes.

    Args:
        text: a name of `NAMED_LINKS` in any case, the path of a `.csv` trace, or `key=value` pairs with
            commas between them: `up` and `down` are a rate with its unit or the path of a `.csv` trace,
            `rtt` a duration with its unit. `down` defaults to `up`, `rtt` to 0.

    Raises:
        LinkError: nothing of these, an unknown, repeated or missing key, a wrong value, or a trace that
            cannot be read.
    """
    text = text.strip()
    if text.lower() in NAMED_LINKS:
        return NAMED_LINKS[text.lower()]
    if "=" in text:
        values = _split(text)
    elif _is_trace(text):
        values = {"up": text}
    else:
        names = ", ".join(sorted(NAMED_LINKS))
        raise LinkError(f"{text!r} is no link; write one of {names}, {_EXAMPLE!r}, or the path of a .csv trace")
    uplink = _parse_way("up", values["up"])
    downlink = _parse_way("down", values["down"]) if "down" in values else uplink
    rtt_s = _parse_rtt(values["rtt"]) if "rtt" in values else 0.0
    if isinstance(uplink, float) and isinstance(downlink, float):
        return Link(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=rtt_s)
    return LinkTrace(uplink=_as_trace(uplink), downlink=_as_trace(downlink), rtt_s=rtt_s)


def format_link(link: Link) -> str:
    """The text that `parse_link` reads as `link`, to ten digits."""
    return (
        f"up={link.uplink_bytes_per_s * 8 / 1e6:.10g}Mbit/s,"
        f"down={link.downlink_bytes_per_s * 8 / 1e6:.10g}Mbit/s,"
        f"rtt={link.rtt_s * 1e3:.10g}ms"
    )


def _split(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or key not in _KEYS:
            raise LinkError(f"{part.strip()!r} in the link {text!r} is none of {_known()}; for instance {_EXAMPLE!r}")
        if key in values:
            raise LinkError(f"the link {text!r} has {key!r} twice; give each of {_known()} once")
        values[key] = value
    if "up" not in values:
        raise LinkError(f"the link {text!r} has no 'up='; write for instance {_EXAMPLE!r}")
    return values


def _known() -> str:
    return ", ".join(f"{key}=" for key in _KEYS)


def _is_trace(text: str) -> bool:
    return text.lower().endswith(".csv")


def _parse_way(key: str, text: str) -> float | Trace:
    if _is_trace(text):
        return read_trace(Path(text))
    try:
        return parse_rate(text)
    except InputError as error:
        raise LinkError(f"{key}={text}: {error}, or give the path of a .csv trace") from error


def _parse_rtt(text: str) -> float:
    try:
        return parse_duration(text)
    except InputError as error:
        raise LinkError(f"rtt={text}: {error}") from error


def _as_trace(way: float | Trace) -> Trace:
    return Trace.constant(way) if isinstance(way, float) else way
