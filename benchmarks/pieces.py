"""How to keep ten cuts of one model ready: what each way costs in memory, in waiting and in speed.

    python -m benchmarks.pieces MODEL.onnx [MODEL.onnx ...] [--cuts 10] [--rounds 15] [--threads 1] [--json]

Ways, each in a process of its own:

    plain      a fully optimised session for every tail
    segments   a fully optimised session between neighbouring cuts; a tail is a run of them
    cold       every tail at the EXTENDED level, weights as they lie in the file
    sliced     the graph optimised whole and stored once, tails sliced from it (what Partway does)

For each: the worst of the seconds from asking for a new cut to its first answer; anonymous memory that the ten tails
added, plus each weights file once, as a share of the model's weights; and, interleaved with a plain session of the
same tail, the ratio of median latencies: median over the cuts, and the worst. Decision: docs/decisions/0002.
"""

import argparse
import gc
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from partway.engine import Level, OrtRuntime, PieceStore, random_feeds
from partway.graph import Cut, Model, Piece, Slicer, Source, canonicalise, single_tensor_cuts

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]
WAYS = ("plain", "segments", "cold", "sliced")


@dataclass(frozen=True)
class Row:
    """One way's result on one model."""

    model: str
    way: str
    cuts: int
    prepare_s: float
    first_answer_s: float
    anonymous_bytes: int
    files_bytes: int
    weights_bytes: int
    memory_per_weights: float
    latency_ratio_median: float
    latency_ratio_worst: float
    worst_cut: str
    worst_cut_plain_s: float
    total_ratio: float
    spread: float


def anonymous_bytes() -> int:
    """Private memory of this process that no file backs."""
    text = Path("/proc/self/smaps_rollup").read_text()
    match = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def mapped_weights_bytes() -> int:
    """Size of every weights file that is mapped into this process, each once."""
    paths = {line.split(maxsplit=5)[5] for line in Path("/proc/self/maps").read_text().splitlines() if ".bin" in line}
    sizes = {}
    for path in paths:
        status = Path(path).stat()
        sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def spaced(cuts: tuple[Cut, ...], count: int) -> tuple[Cut, ...]:
    """As many cuts as asked for, evenly spaced by depth, the extremes left out."""
    inner = [cut for cut in cuts if cut.head is not None]
    positions = np.linspace(0, len(inner) - 1, count + 2)[1:-1]
    return tuple(inner[round(position)] for position in positions)


def one_session(runtime: OrtRuntime, model: Model, piece: Piece, level: Level) -> Run:
    """A session of its own for a piece of the canonical graph."""
    graph = Slicer(model.graph, model.tensors).slice(piece)
    return runtime.load(graph, model.entry.directory, level=level, prepack=level is Level.ALL).run


def segment_runs(runtime: OrtRuntime, model: Model, cuts: tuple[Cut, ...]) -> dict[Cut, Run]:
    """Every tail as a run of sessions between neighbouring cuts."""
    ends = [*(cut.crossing for cut in cuts), tuple(tensor.name for tensor in model.outputs)]
    sessions = [
        one_session(runtime, model, Piece(inputs=start, outputs=end), Level.ALL)
        for start, end in itertools.pairwise(ends)
    ]

    def chain(first: int) -> Run:
        def run(feeds: Arrays) -> Arrays:
            for session in sessions[first:]:
                feeds = session(feeds)
            return feeds

        return run

    return {cut: chain(index) for index, cut in enumerate(cuts)}


def measure(path: str, way: str, count: int, rounds: int, threads: int) -> Row:
    """One way on one model, in this process."""
    runtime = OrtRuntime(threads=threads)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    cuts = spaced(single_tensor_cuts(model), count)
    feeds = tail_feeds(runtime, model, cuts)
    gc.collect()
    before_bytes = anonymous_bytes()
    start_s = time.perf_counter()
    runs: dict[Cut, Run] = {}
    store = PieceStore(model, runtime)
    if way == "sliced":
        store.want(cuts)
        store.promote()
    elif way == "segments":
        runs = segment_runs(runtime, model, cuts)
    prepare_s = time.perf_counter() - start_s
    first_s = []
    for cut in cuts:
        assert cut.tail is not None
        start_s = time.perf_counter()
        if way in ("sliced", "cold"):
            runs[cut] = store.session(cut.tail).run
        elif way == "plain":
            runs[cut] = one_session(runtime, model, cut.tail, Level.ALL)
        runs[cut](feeds[cut.crossing[0]])
        first_s.append(time.perf_counter() - start_s)
    gc.collect()
    anonymous, files = anonymous_bytes() - before_bytes, mapped_weights_bytes()
    ratios = {cut: compare(runtime, model, cut, runs[cut], feeds[cut.crossing[0]], rounds) for cut in cuts}
    worst = max(cuts, key=lambda cut: ratios[cut][0])
    return Row(
        model=Path(path).stem,
        way=way,
        cuts=len(cuts),
        prepare_s=prepare_s,
        first_answer_s=max(first_s),
        anonymous_bytes=anonymous,
        files_bytes=files,
        weights_bytes=model.weight_bytes,
        memory_per_weights=(anonymous + files) / model.weight_bytes,
        latency_ratio_median=median(ratio for ratio, *_ in ratios.values()),
        latency_ratio_worst=ratios[worst][0],
        worst_cut=worst.crossing[0],
        worst_cut_plain_s=ratios[worst][1],
        total_ratio=sum(ours for *_, ours in ratios.values()) / sum(plain for _, plain, _ in ratios.values()),
        spread=float(np.subtract(*np.percentile([ratio for ratio, *_ in ratios.values()], [75, 25]))),
    )


def tail_feeds(runtime: OrtRuntime, model: Model, cuts: tuple[Cut, ...]) -> Mapping[str, Arrays]:
    """What crosses each cut, computed once."""
    inputs = random_feeds(model.inputs, np.random.default_rng(0))
    store = PieceStore(model, runtime)
    found = {}
    for cut in cuts:
        assert cut.head is not None
        made = store.session(cut.head).run({name: inputs[name] for name in cut.head.inputs})
        found[cut.crossing[0]] = {name: made[name] for name in cut.crossing}
    return found


def compare(
    runtime: OrtRuntime, model: Model, cut: Cut, run: Run, feeds: Arrays, rounds: int
) -> tuple[float, float, float]:
    """Median seconds ours over plain, then plain, then ours; interleaved, after two rounds of warm-up."""
    assert cut.tail is not None
    plain = one_session(runtime, model, cut.tail, Level.ALL)
    taken: list[tuple[float, float]] = []
    for _ in range(rounds + 2):
        start_s = time.perf_counter()
        plain(feeds)
        middle_s = time.perf_counter()
        run(feeds)
        taken.append((middle_s - start_s, time.perf_counter() - middle_s))
    plain_s, ours_s = (median(column) for column in zip(*taken[2:], strict=True))
    return ours_s / plain_s, plain_s, ours_s


def main() -> None:
    """Measure every way on every model, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process and print JSON")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.way:
        row = measure(arguments.models[0], arguments.way, arguments.cuts, arguments.rounds, arguments.threads)
        print(json.dumps(asdict(row)))
        return
    rows = []
    for model in arguments.models:
        for way in WAYS:
            options = [f"--{name}={getattr(arguments, name)}" for name in ("cuts", "rounds", "threads")]
            command = [sys.executable, __file__, model, f"--way={way}", *options]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(f"{model} {way} done", file=sys.stderr)
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"{'model':<12}{'way':<10}{'prepare s':>10}{'first s':>9}{'anon MB':>9}{'files MB':>10}{'/ weights':>10}"
        f"{'latency':>9}{'worst':>7}{'sum':>7}  worst cut (plain ms)"
    )
    for row in rows:
        print(
            f"{row['model']:<12}{row['way']:<10}{row['prepare_s']:>10.2f}{row['first_answer_s']:>9.3f}"
            f"{row['anonymous_bytes'] / 1e6:>9.0f}{row['files_bytes'] / 1e6:>10.0f}{row['memory_per_weights']:>10.2f}"
            f"{row['latency_ratio_median']:>9.3f}{row['latency_ratio_worst']:>7.2f}{row['total_ratio']:>7.3f}"
            f"  {row['worst_cut']} ({row['worst_cut_plain_s'] * 1e3:.1f})"
        )


if __name__ == "__main__":
    main()
