"""What a session with a server adds before the first answer, over onnxruntime's own.

    python -m benchmarks.first_answer MODEL.onnx [MODEL.onnx ...] [--rounds 5] [--json]

Interleaved, each in a process of its own, with an empty cache (everything must be learnt) and no server at the address
(the worst case): seconds of the constructor and of the first run, and the longest of the next 20 runs, during which the
background work goes on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from statistics import median

_CODE = """
import sys, time
import numpy as np
way, path = sys.argv[1:]
if way == "ours":
    from partway import InferenceSession
    options = {"server": "grpc://127.0.0.1:9"}
else:
    from onnxruntime import InferenceSession
    options = {"providers": ["CPUExecutionProvider"]}
start = time.perf_counter()
session = InferenceSession(path, **options)
made = time.perf_counter()
shape = [length if isinstance(length, int) else 1 for length in session.get_inputs()[0].shape]
feeds = {session.get_inputs()[0].name: np.zeros(shape, np.float32)}
session.run(None, feeds)
first = time.perf_counter()
later = []
for _ in range(20):
    before = time.perf_counter()
    session.run(None, feeds)
    later.append(time.perf_counter() - before)
print(made - start, first - made, max(later))
"""


def measure(way: str, model: str) -> tuple[float, ...]:
    """Seconds of the constructor, of the first run, and of the slowest later one, in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", _CODE, way, model]
        output = subprocess.run(
            command, check=True, capture_output=True, text=True, env={"PARTWAY_CACHE": cache}
        ).stdout
    return tuple(map(float, output.split()))


def main() -> None:
    """Measure every model and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for model in arguments.models:
        taken: dict[str, list[tuple[float, ...]]] = {"plain": [], "ours": []}
        for _ in range(arguments.rounds):
            for way, results in taken.items():
                results.append(measure(way, model))
        for way, results in taken.items():
            totals = [made + first for made, first, _ in results]
            columns = [median(column) for column in zip(*results, strict=True)]
            rows.append(
                {
                    "model": model,
                    "session": way,
                    "constructor_s": columns[0],
                    "first_run_s": columns[1],
                    "together_s": median(totals),
                    "least_s": min(totals),
                    "most_s": max(totals),
                    "slowest_later_run_s": columns[2],
                }
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['model']}  {row['session']}: constructor {row['constructor_s']:.2f} s, first run "
            f"{row['first_run_s']:.2f} s, together {row['together_s']:.2f} s ({row['least_s']:.2f} to "
            f"{row['most_s']:.2f}), slowest later run {row['slowest_later_run_s']:.2f} s"
        )


if __name__ == "__main__":
    main()
