"""`partway check` over every model there is: the nine light ones and the real ones of the installed packages.

    python -m benchmarks.check_models [--json] [--sample 16]

One row a model: cuts tried, share of nodes after which one tensor is enough, worst errors, tolerance, verdict. Exit
status 1 when any cut of any model is over its tolerance.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tests.models import LIGHT_MODELS, light_model, missing_models, random_feeds, real_models

from partway.engine import OrtRuntime
from partway.graph import Source, canonicalise
from partway.verification import check_model

Feeds = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """One model's result."""

    model: str
    traits: str
    cuts: int
    cuttable_nodes: int
    nodes: int
    worst_absolute_error: float
    worst_relative_error: float
    tolerance: float
    passed: bool
    took_s: float


@dataclass(frozen=True)
class Subject:
    """A model with feeds and what is held constant."""

    name: str
    path: Path
    feeds: Feeds
    values: Feeds
    traits: str


def subjects(folder: Path) -> Iterator[Subject]:
    """Every model there is."""
    for name in LIGHT_MODELS:
        path = light_model(name, folder)
        yield Subject(f"light {name}", path, random_feeds(path), {}, "weights seeded")
        path.unlink()
    for model in real_models():
        feeds = {name: array for name, array in model.feeds(0).items() if name not in model.values}
        yield Subject(model.name, model.path, feeds, model.values, ", ".join(model.traits))


def check(subject: Subject, sample: int) -> Row:
    """Head then tail against the author's file, at every cut that is tried."""
    runtime = OrtRuntime()
    start_s = time.perf_counter()
    source = Source.open(subject.path)
    model = canonicalise(source, source.bind_feeds(subject.feeds, subject.values), runtime)
    report = check_model(source, model, runtime, subject.feeds, sample=sample, generator=np.random.default_rng(0))
    return Row(
        model=subject.name,
        traits=subject.traits,
        cuts=report.cuts_checked,
        cuttable_nodes=report.cuttable_nodes,
        nodes=report.nodes,
        worst_absolute_error=max(check.worst.absolute for check in report.checks),
        worst_relative_error=report.worst.worst.relative,
        tolerance=max(tolerance.absolute for tolerance in report.tolerances.values()),
        passed=report.passed,
        took_s=time.perf_counter() - start_s,
    )


def main() -> int:
    """Check every model and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=16, help="multi-tensor cuts to draw for each model")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    if not arguments.json:
        print(f"{'model':<24}{'cuts':>5}{'cuttable':>14}{'absolute':>10}{'relative':>10}{'tolerance':>10}{'s':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(Path(folder)):
            row = check(subject, arguments.sample)
            rows.append(row)
            if not arguments.json:
                share = f"{row.cuttable_nodes}/{row.nodes} {row.cuttable_nodes / row.nodes:4.0%}"
                print(
                    f"{row.model:<24}{row.cuts:>5}{share:>14}{row.worst_absolute_error:>10.1e}"
                    f"{row.worst_relative_error:>10.1e}{row.tolerance:>10.1e}{row.took_s:>6.1f}"
                    f"  {'passed' if row.passed else 'OVER TOLERANCE'}  {row.traits}",
                    flush=True,
                )
    for sentence in missing_models():
        print(sentence, file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
