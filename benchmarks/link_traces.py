"""Links whose rate varies, to replay: measured traces where they are at hand, seeded synthetic ones elsewhere.

Measured traces are read from a folder of CSV files (`t_s,mbps`); each is taken for an uplink. Synthetic ones are Markov
chains over levels of rate with scatter around each, in rows of a second; the downlink is twice the uplink. Called by
`benchmarks.link_estimation`, and for names and places by `benchmarks.figure14`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partway.link import LinkTrace, Trace, read_trace
from partway.units import parse_rate

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"
"""Where measured traces lie, beside the repository."""

_ROW_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """What a synthetic link is like.

    Attributes:
        name: of the technology.
        levels: rates of the chain's states, as people write them.
        stays: probability that a second is followed by one of the same state.
        scatter: standard deviation of the rate's logarithm within a state.
        rtt_s: round trip.
    """

    name: str
    levels: tuple[str, ...]
    stays: float
    scatter: float
    rtt_s: float


RADIOS = (
    Radio(name="3g", levels=("200kbit/s", "700kbit/s", "1.3Mbit/s"), stays=0.9, scatter=0.25, rtt_s=0.1),
    Radio(name="lte", levels=("1.5Mbit/s", "5Mbit/s", "12Mbit/s"), stays=0.85, scatter=0.3, rtt_s=0.05),
    Radio(name="wifi", levels=("3Mbit/s", "10Mbit/s", "25Mbit/s"), stays=0.8, scatter=0.3, rtt_s=0.005),
)

# Round trips of measured traces, which do not have them: assumptions, by what the file's name says of its radio.
_RTTS_S = {"UMTS": 0.1, "norway": 0.1, "LTE": 0.05, "wifi": 0.005, "5g": 0.03}
_DOWNLINK_OVER_UPLINK = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTrace:
    """A link to replay.

    Attributes:
        name: its file's or its radio's.
        origin: the files that it was read from, or what it was made from.
        link: rates over time.
        measured: whether somebody measured it.
    """

    name: str
    origin: str
    link: LinkTrace
    measured: bool


def synthetic(radio: Radio, seed: int, *, duration_s: float = 300.0) -> NamedTrace:
    """A Markov-modulated link."""
    generator = np.random.default_rng((seed, RADIOS.index(radio)))
    levels = [parse_rate(level) for level in radio.levels]
    state, rates = int(generator.integers(len(levels))), []
    for _ in range(round(duration_s / _ROW_S)):
        if generator.random() > radio.stays:
            state = int(generator.integers(len(levels)))
        rates.append(levels[state] * float(np.exp(generator.normal(0.0, radio.scatter))))
    starts_s = tuple(row * _ROW_S for row in range(len(rates)))
    trace = Trace(starts_s=starts_s, rates_bytes_per_s=tuple(rates))
    return NamedTrace(
        name=f"{radio.name} {seed}", origin="synthetic, seeded", measured=False, link=_both_ways(trace, radio.rtt_s)
    )


def steady(rate: str, rtt_s: float, *, duration_s: float = 120.0) -> NamedTrace:
    """A link that never changes."""
    trace = Trace(starts_s=(0.0, duration_s / 2), rates_bytes_per_s=(parse_rate(rate),) * 2)
    return NamedTrace(name=rate, origin="made, steady", measured=False, link=_both_ways(trace, rtt_s))


def measured(folder: Path) -> Sequence[NamedTrace]:
    """All traces of a folder, in the order of their names; none where there is no such folder."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        rtt_s = next((rtt_s for part, rtt_s in _RTTS_S.items() if part in path.stem), _RTTS_S["LTE"])
        found.append(
            NamedTrace(name=path.stem, origin=path.stem, measured=True, link=_both_ways(read_trace(path), rtt_s))
        )
    return found


def _both_ways(uplink: Trace, rtt_s: float) -> LinkTrace:
    downlink = Trace(
        starts_s=uplink.starts_s,
        rates_bytes_per_s=tuple(_DOWNLINK_OVER_UPLINK * rate for rate in uplink.rates_bytes_per_s),
    )
    return LinkTrace(uplink=uplink, downlink=downlink, rtt_s=rtt_s)
