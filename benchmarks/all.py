"""Every benchmark of the runtime, one after the other, and one table of their marks.

    python -m benchmarks.all [--quick] [--only NAME ...] [--json FILE]

Each is a program of its own, so that none finds the threads or the warm caches of another; tables of those that write
their document elsewhere go to stderr. Short forms are a look and no result. A benchmark that has no marks, or none that
explain how it ended, is judged by its exit status.

Output: a row a mark. Exit status: 0 if all hold, 1 if not.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ending import end_in_order
from benchmarks.verdicts import Verdict, status_of

from partway.reporting import Column, print_table

_PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A benchmark.

    Attributes:
        name: its module, below `benchmarks`.
        quick: arguments of its short form.
        to_file: whether `--json` takes a file; it prints its document otherwise.
    """

    name: str
    quick: tuple[str, ...]
    to_file: bool = False


ENTRIES = (
    Entry(name="stage", quick=("--quick",)),
    Entry(name="figure14", quick=("--requests", "10"), to_file=True),
    Entry(name="steady", quick=("--stretches", "1"), to_file=True),
    Entry(name="figure15", quick=("--quick",), to_file=True),
    Entry(name="faults", quick=("--faults", "20", "--alone-s", "2"), to_file=True),
    Entry(name="soak", quick=("--clients", "16", "--minutes", "1", "--warm-up-s", "5"), to_file=True),
    Entry(name="overhead", quick=("--sizes", "4KiB", "1MiB", "--rounds", "20")),
    Entry(name="throughput", quick=("--model", "squeezenet", "--rounds", "3")),
    Entry(name="batching", quick=("--model", "light/squeezenet", "--rounds", "1")),
    Entry(name="fuzzing", quick=("--inputs", "20000"), to_file=True),
    Entry(name="link_estimation", quick=("--seeds", "1")),
    Entry(name="herd", quick=("--seeds", "1")),
    Entry(name="simulation_truth", quick=("--runs", "8", "--jobs", "100000")),
    Entry(name="simulation_speed", quick=("--rounds", "3", "--jobs", "500000", "--most-devices", "10000")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a benchmark left behind.

    Attributes:
        name: of it.
        status: its exit status.
        took_s: seconds.
        document: what it wrote as JSON; None where that is none.
    """

    name: str
    status: int
    took_s: float
    document: object


def run(entry: Entry, *, quick: bool) -> Ran:
    """Run a benchmark to its end, or for an hour.

    Args:
        entry: which.
        quick: its short form.
    """
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        path = Path(folder) / "found.json"
        words = [sys.executable, "-m", f"benchmarks.{entry.name}", *(entry.quick if quick else ()), "--json"]
        process = subprocess.Popen([*words, str(path)] if entry.to_file else words, stdout=subprocess.PIPE, text=True)
        try:
            text, _ = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            text = ""
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if entry.to_file:
            print(text, file=sys.stderr)
            text = path.read_text() if path.is_file() else ""
    took_s = time.monotonic() - start_s
    return Ran(name=entry.name, status=process.returncode, took_s=took_s, document=_document(text))


def verdicts_of(ran: Ran) -> list[Verdict]:
    """The marks of a benchmark: those of its document, and its exit status where they do not explain it.

    Args:
        ran: what it left behind.
    """
    told = ran.document.get("verdicts", []) if isinstance(ran.document, dict) else []
    found: list[Verdict] = [(str(what), str(words), bool(held)) for what, words, held in told]
    if not found or status_of(found) != ran.status:
        words = str(ran.status) if ran.document is not None else f"{ran.status}, and no document"
        found.append(("exit status", words, ran.status == 0 and ran.document is not None))
    return found


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def report(ran: Sequence[Ran]) -> int:
    """Print the table; 0 where all marks hold, else 1."""
    marks = [(one, verdict) for one in ran for verdict in verdicts_of(one)]
    print_table(
        f"Marks of {len(ran)} benchmarks, {sum(one.took_s for one in ran) / 60:.0f} minutes",
        (
            Column(title="benchmark", right=False),
            Column(title="mark", right=False),
            Column(title="", right=False),
            Column(title="found", right=False, shrinks=True),
        ),
        ((one.name, what, "holds" if held else "MISSED", found) for one, (what, found, held) in marks),
    )
    return status_of([verdict for _, verdict in marks])


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    names = [entry.name for entry in ENTRIES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short forms: a look, not a result")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write marks and documents there, too")
    given = parser.parse_args(argv)
    end_in_order()
    ran: list[Ran] = []
    for entry in ENTRIES:
        if entry.name in given.only:
            print(f"{entry.name} ...", file=sys.stderr)
            ran.append(run(entry, quick=given.quick))
            print(f"{entry.name}: status {ran[-1].status} after {ran[-1].took_s:.0f} s", file=sys.stderr)
    if given.json is not None:
        documents = [
            {
                "benchmark": one.name,
                "status": one.status,
                "took_s": one.took_s,
                "verdicts": verdicts_of(one),
                "document": one.document,
            }
            for one in ran
        ]
        given.json.write_text(json.dumps(documents, indent=1))
    return report(ran)


if __name__ == "__main__":
    sys.exit(main())
