"""What `partway profile` shows: a bar while it measures, then what there is.

Input: a samples file, and how a session went. Output: a table or plain values for JSON. Called by `partway profile`.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from partway.prediction.judging import Judgement
from partway.prediction.profile import Profile
from partway.profiling.samples import Refusal, read_samples
from partway.profiling.session import Collected
from partway.reporting import Column, print_lines, print_table, share

_REDRAW_EVERY_S = 0.5
_MOST_REASONS = 8
_ENDED = {
    "budget": "the time is spent",
    "enough": "predictors err little enough",
    "interrupted": "interrupted; the same command goes on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is in a samples file.

    Attributes:
        graphs: how many were measured.
        kernels: how many times a kernel was measured.
        kinds: how many times each operator was.
        disturbed: graphs during which something else had the processor.
        refusals: graphs that were not run, by reason.
    """

    graphs: int
    kernels: int
    kinds: Mapping[str, int]
    disturbed: int
    refusals: Mapping[str, int]

    @classmethod
    def of(cls, samples: Path) -> "Summary":
        """Count what is in a file.

        Raises:
            DocumentError: it cannot be read.
        """
        graphs = disturbed = 0
        kinds: Counter[str] = Counter()
        refusals: Counter[str] = Counter()
        for record in read_samples(samples):
            if isinstance(record, Refusal):
                refusals[re.sub(r"\d+", "N", record.reason)] += 1
                continue
            graphs += 1
            disturbed += record.disturbed
            kinds.update(f"{kernel.domain}.{kernel.op_type}".lstrip(".") for kernel in record.kernels)
        return cls(
            graphs=graphs,
            kernels=kinds.total(),
            kinds=dict(kinds.most_common()),
            disturbed=disturbed,
            refusals=dict(refusals.most_common()),
        )


@contextmanager
def follow_budget(budget_s: float, *, quiet: bool) -> Iterator[Callable[[float, int], None]]:
    """A bar with the time left, for the time of a block; it computes only when told how far the block is.

    Args:
        budget_s: how long the block will take.
        quiet: show nothing even on a terminal.

    Yields:
        A function to call with the seconds so far and how many graphs there are.
    """
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        TextColumn("{task.fields[graphs]}, {task.fields[left]} left"),
    )
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden, auto_refresh=False) as bar:
        task = bar.add_task("", total=budget_s, graphs=_graphs(0), left=_clock(budget_s))
        drawn_s = -_REDRAW_EVERY_S

        def advance(elapsed_s: float, graphs: int) -> None:
            nonlocal drawn_s
            if elapsed_s - drawn_s >= _REDRAW_EVERY_S:
                drawn_s = elapsed_s
                bar.update(
                    task, completed=elapsed_s, graphs=_graphs(graphs), left=_clock(budget_s - elapsed_s), refresh=True
                )

        yield advance


def document(
    samples: Path, output: Path, profile: Profile | None, summary: Summary, collected: Collected | None
) -> dict[str, object]:
    """What `--json` prints.

    Args:
        samples: the samples file.
        output: where the profile is.
        profile: what was fitted; None where nothing was.
        summary: what is in the samples file.
        collected: how measuring went; None where nothing was measured now.
    """
    return {
        "samples": str(samples),
        "profile": None if profile is None else str(output),
        "held_out": {} if profile is None else msgspec.to_builtins(profile.sampling.held_out),
        "graphs": summary.graphs,
        "kernels": summary.kernels,
        "kinds": dict(summary.kinds),
        "disturbed": summary.disturbed,
        "refusals": dict(summary.refusals),
        "added": 0 if collected is None else collected.added,
        "elapsed_s": 0.0 if collected is None else collected.elapsed_s,
        "ended": None if collected is None else collected.ended,
        "noise": []
        if collected is None
        else [{**msgspec.to_builtins(noise), "quiet": noise.quiet} for noise in collected.noises],
    }


def print_summary(
    samples: Path,
    output: Path,
    profile: Profile | None,
    summary: Summary,
    collected: Collected | None,
    *,
    refit: str,
) -> None:
    """Print what there is.

    Args:
        samples: the samples file.
        output: where the profile is.
        profile: what was fitted; None where nothing was.
        summary: what is in the samples file.
        collected: how measuring went; None where nothing was measured now.
        refit: the command that makes a profile of the samples.
    """
    lines: list[tuple[str, str]] = []
    if collected is not None:
        loud = [noise for noise in collected.noises if not noise.quiet]
        lines.append(
            ("measured", f"{_graphs(collected.added)} in {_clock(collected.elapsed_s)}: {_ENDED[collected.ended]}")
        )
        lines.append(
            ("quiet", f"{len(collected.noises) - len(loud)} of {len(collected.noises)} times that it was checked")
        )
        lines += [("", reason) for reason in dict.fromkeys(r for noise in loud[-1:] for r in noise.disturbances)]
    lines += [
        ("graphs", f"{summary.graphs}, {share(summary.disturbed, summary.graphs)} of them disturbed"),
        ("kernels", f"{summary.kernels} of {len(summary.kinds)} kinds"),
        ("refused", f"{sum(summary.refusals.values())}"),
        ("samples", str(samples)),
        ("profile", f"none yet; `{refit}` fits one to the samples" if profile is None else str(output)),
    ]
    lines += [("held out", _judged(found, threads)) for threads, found in _held_out(profile)]
    print_lines(lines)
    print_table(
        "Graphs that were not run",
        (Column(title="graphs"), Column(title="reason", right=False, shrinks=True)),
        ((str(count), reason) for reason, count in list(summary.refusals.items())[:_MOST_REASONS]),
    )


def _held_out(profile: Profile | None) -> Iterable[tuple[str, Judgement]]:
    return () if profile is None else profile.sampling.held_out.items()


def _judged(found: Judgement, threads: str) -> str:
    setting = "" if threads == "0" else f" with {threads} threads" if threads != "1" else " with 1 thread"
    return (
        f"of {found.graphs} graphs that were not fitted{setting}, half are within {found.median_error:.1%} and nine "
        f"of ten within {found.ninetieth_error:.1%}"
    )


def _graphs(count: int) -> str:
    return f"{count} graph" if count == 1 else f"{count} graphs"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(max(seconds, 0.0)))
