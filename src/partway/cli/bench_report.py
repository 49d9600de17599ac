"""What came of a contest, as a table and as the keys of `--json`.

Input: summaries and attempts. Output: text and plain values, emulation labelled. Called by `partway bench` and
`partway demo`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partway.cli.bench_contest import Attempt, Summary, Way, cuts_used, fallbacks
from partway.reporting import Column, name_set, print_table
from partway.units import format_duration

_NAMES = {Way.PARTWAY: "partway", Way.DEVICE_ONLY: "device-only", Way.SERVER_ONLY: "server-only"}
_ROWS = (Way.DEVICE_ONLY, Way.SERVER_ONLY, Way.PARTWAY)
_COLUMNS = (
    Column(title="", right=False),
    Column(title="median"),
    Column(title="mean"),
    Column(title="p95"),
    Column(title="mean / partway's"),
    Column(title="answered"),
    Column(title="lost"),
    Column(title="wrong"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """What was not real.

    Attributes:
        device_slowdown: 1 for this machine as it is.
        link: what the proxy behaved as; None for the real network.
    """

    device_slowdown: float
    link: str | None

    def lines(self) -> list[tuple[str, str]]:
        """The same in words."""
        slowed = f"EMULATED: this machine, slowed {self.device_slowdown:g} times"
        return [
            ("device", slowed if self.device_slowdown != 1.0 else "this machine"),
            ("link", f"EMULATED: a proxy on this machine that behaves as {self.link}" if self.link else "as it is"),
        ]

    def document(self) -> dict[str, object]:
        """The same for programs."""
        return {"device_slowdown": self.device_slowdown, "link": self.link is not None}


def print_contest(title: str, summaries: Mapping[Way, Summary]) -> None:
    """Print one row a way.

    Args:
        title: what was done.
        summaries: of each way.
    """
    mean_s = summaries[Way.PARTWAY].mean_s
    print_table(title, _COLUMNS, (_row(way, summaries[way], mean_s) for way in _ROWS))


def describe_cuts(attempts: Sequence[Attempt]) -> str:
    """Where partway cut, how often, and how often it fell back: `relu5 as zstd 17x, (device alone) 3x`."""
    found = [
        f"{name_set(crossing, none='(device alone)')}{'' if codec == 'raw' else f' as {codec}'} {n}x"
        for (crossing, codec), n in cuts_used(attempts).most_common()
    ]
    vain = fallbacks(attempts)
    return ", ".join(found) + (f"; {vain}x the server was asked in vain and the device finished alone" if vain else "")


def contest_document(
    summaries: Mapping[Way, Summary], partway: Sequence[Attempt], emulation: Emulation
) -> dict[str, object]:
    """The keys that `bench` and `demo` share; `lost` and `wrong` at the top are partway's own.

    Args:
        summaries: of each way.
        partway: partway's attempts.
        emulation: what was not real.
    """
    own = summaries[Way.PARTWAY]
    used = cuts_used(partway).most_common()
    return {
        **{str(way): _summary_document(summaries[way]) for way in _ROWS},
        "ratios": {str(way): summaries[way].mean_s / own.mean_s for way in _ROWS if way is not Way.PARTWAY},
        "lost": own.lost,
        "wrong": own.wrong,
        "worst_relative_error": max(summary.worst for summary in summaries.values()),
        "cuts": [{"crossing": crossing, "codec": codec, "requests": n} for (crossing, codec), n in used],
        "fell_back": fallbacks(partway),
        "emulated": emulation.document(),
    }


def milliseconds(seconds: float) -> str:
    """Seconds for a column of a table; `-` for none."""
    return format_duration(seconds) if math.isfinite(seconds) else "-"


def _row(way: Way, summary: Summary, partway_mean_s: float) -> tuple[str, ...]:
    ratio = summary.mean_s / partway_mean_s
    return (
        _NAMES[way],
        milliseconds(summary.median_s),
        milliseconds(summary.mean_s),
        milliseconds(summary.p95_s),
        f"{ratio:.2f}x" if math.isfinite(ratio) else "-",
        str(summary.requests - summary.lost),
        str(summary.lost),
        str(summary.wrong),
    )


def _summary_document(summary: Summary) -> dict[str, object]:
    return {
        "mean_s": summary.mean_s,
        "median_s": summary.median_s,
        "p95_s": summary.p95_s,
        "requests": summary.requests,
        "lost": summary.lost,
        "wrong": summary.wrong,
    }
