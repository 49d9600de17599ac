"""How the demo looks: one line a request, with a bar that shows where the model was cut.

    3.2 s  device ███░░░░░░░░░ server  batch_norm_6.tmp_2       182 ms    device-only 301 ms  server-only 512 ms

Input: attempts and what was expected of them. Output: lines on stdout, coloured on a terminal. Called by
`partway demo`.
"""

import math
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from partway.cli.bench_contest import Attempt, Way
from partway.cli.demo_script import Phase, expected_s, server_row
from partway.graph import Model, candidate_cuts
from partway.planning import CostTable
from partway.reporting import Column, name_set, print_table, shorten
from partway.units import format_duration, format_size

_BAR = 14
_NAME = 26
_FILE_WIDTH = 160
_STYLES = {"device": "yellow", "inside": "green", "server": "cyan", "lost": "red"}


class Show:
    """Prints the demo as it goes.

    Args:
        quiet: print nothing, for `--json`.
        model: the model that is cut.
    """

    def __init__(self, *, quiet: bool, model: Model) -> None:
        width = None if sys.stdout.isatty() else _FILE_WIDTH
        self._console = Console(file=sys.stdout, width=width, quiet=quiet, markup=False, highlight=False)
        self._quiet = quiet
        # How much of the model runs on the device, by what it sends.
        self._device_share = {cut.crossing: cut.macs / model.macs for cut in candidate_cuts(model)}

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def costs(self, table: CostTable) -> None:
        """What every cut costs."""
        if self._quiet:
            return
        columns = (
            Column(title="sends", right=False),
            Column(title="where the model is cut", right=False),
            Column(title="device"),
            Column(title="bytes up"),
            Column(title="server"),
        )
        rows = (
            (
                name_set(cost.crossing, none="nothing") if cost.offloaded else "nothing: the device alone",
                self._bar(cost.crossing),
                format_duration(cost.device_s) if cost.device_s else "",
                format_size(cost.up_bytes) if cost.offloaded else "",
                format_duration(cost.server_s) if cost.offloaded else "",
            )
            for cost in table.costs
        )
        print_table("What each cut costs, as measured just now (device EMULATED, see above)", columns, rows)

    def phase(self, phase: Phase, table: CostTable) -> None:
        """The link is another one now."""
        seconds = expected_s(table, phase.link)
        best = min(range(len(seconds)), key=seconds.__getitem__)
        at = (
            shorten(" + ".join(table.costs[best].crossing), _NAME)
            if table.costs[best].offloaded
            else "the device alone"
        )
        self.say(f"{phase.name}: {phase.describe()}", style="bold")
        alone, remote = _seconds(seconds[-1]), _seconds(seconds[server_row(table)])
        self.say(
            f"  expected: device-only {alone}, server-only {remote}, the best is {at} at {_seconds(seconds[best])}"
        )

    def round(self, at_s: float, attempts: Mapping[Way, Attempt]) -> None:
        """One request of each way was made."""
        partway = attempts[Way.PARTWAY]
        others = "   ".join(
            f"{way.value.replace('_', '-')} {_took(attempts[way]):>7}" for way in (Way.DEVICE_ONLY, Way.SERVER_ONLY)
        )
        self._request(f"{at_s:5.1f} s", partway, others)

    def request(self, label: str, attempt: Attempt, note: str) -> None:
        """One request of partway's was made."""
        self._request(label, attempt, note)

    def lines(self, rows: Sequence[tuple[str, ...]], title: str) -> None:
        """Lines of text that were read."""
        if not self._quiet:
            titles = ("rendered", "scanned", "read as it lies", "found to be", "read after turning")
            print_table(title, [Column(title=one, right=False) for one in titles], rows)

    def _request(self, label: str, attempt: Attempt, note: str) -> None:
        reply = attempt.reply
        line = Text(f"  {label:>7}  ")
        if reply is None:
            line.append(f"{'LOST':<{_BAR + _NAME + 20}}", style=_STYLES["lost"])
        else:
            crossing = reply.crossing if reply.offloaded else ()
            style = _STYLES["device"] if not reply.offloaded else _STYLES["inside"]
            if reply.offloaded and self._device_share.get(crossing, 0.0) == 0.0:
                style = _STYLES["server"]
            where = "finished alone" if reply.fell_back else name_set(crossing, none="the device alone")
            line.append(self._bar(crossing), style=style)
            line.append(f"  {shorten(where, _NAME):<{_NAME}}", style=style)
        line.append(f" partway {_took(attempt):>7}", style="bold")
        line.append(f"   {note}")
        self._console.print(line, soft_wrap=True)

    def _bar(self, crossing: tuple[str, ...]) -> str:
        share = self._device_share.get(crossing, 1.0) if crossing else 1.0
        # A head is seen however small it is, and so is a tail.
        filled = round(share * _BAR)
        filled = min(max(filled, 1 if share > 0 else 0), _BAR if not crossing else _BAR - 1)
        return f"device {'█' * filled}{'░' * (_BAR - filled)} server"


def _took(attempt: Attempt) -> str:
    return "lost" if attempt.lost else _seconds(attempt.total_s)


def _seconds(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "never"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1.0 else f"{seconds:.2f} s"
