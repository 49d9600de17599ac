"""Device and server with two different ONNX Runtime versions: do they agree on every cut?

    python -m benchmarks.two_runtimes [--other 1.24.1] [--cuts 12] [--json]

Every model that `benchmarks.check_models` checks. Makes a virtual environment with the other version, starts `partway
serve` there, runs heads here and tails there at server-only and evenly spaced single-tensor cuts, and compares with
the whole model in this process. `--python` names an environment that exists already. Exit status 1 when an answer is
refused or wrong.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from benchmarks.check_models import Subject, subjects
from tests.processes import serving

from partway.client import connect
from partway.engine import Level, OrtRuntime, PieceStore
from partway.errors import ServerError
from partway.graph import Source, canonicalise, server_only, single_tensor_cuts
from partway.verification import difference, tolerance_of
from partway.wire import BINDING, DIGEST, InferRequest, Tensor

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """One model's result."""

    model: str
    here: str
    there: str
    cuts: int
    refused: int
    wrong: int
    worst_relative_error: float
    tensors_here: int
    refusal: str


def make_environment(folder: Path, version: str) -> str:
    """The interpreter of a new environment with partway and one version of ONNX Runtime."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", f"onnxruntime=={version}", str(ROOT)]
    subprocess.run(install, check=True)
    return python


def version_of(python: str) -> str:
    """The ONNX Runtime version of an interpreter."""
    code = "import onnxruntime; print(onnxruntime.__version__)"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def compare(subject: Subject, path: Path, url: str, there: str, count: int) -> Row:
    """Heads here, tails there, at evenly spaced cuts of one model, which is served from `path`."""
    runtime = OrtRuntime()
    source = Source.open(path)
    model = canonicalise(source, source.bind_feeds(subject.feeds, subject.values), runtime)
    store = PieceStore(model, runtime)
    feeds = subject.feeds
    whole = runtime.open(path)
    reference = whole.run({**feeds, **subject.values})
    basic = runtime.open(path, level=Level.BASIC).run({**feeds, **subject.values})
    cuts = [cut for cut in single_tensor_cuts(model) if cut.head is not None]
    spaced = [cuts[round(position)] for position in np.linspace(0, len(cuts) - 1, min(count, len(cuts)))]
    chosen = [server_only(model), *spaced]
    refused = wrong = 0
    worst, refusal = 0.0, ""
    transport = connect(url, clock=time.perf_counter)
    for cut in chosen:
        known = dict(feeds)
        if cut.head is not None:
            known |= store.session(cut.head).run({name: known[name] for name in cut.head.inputs})
        assert cut.tail is not None
        request = InferRequest(
            model_name=path.stem,
            tensors=tuple(Tensor(name=name, array=known[name]) for name in cut.crossing),
            outputs=cut.tail.outputs,
            parameters={DIGEST: source.digest, BINDING: model.binding.encode()},
        )
        try:
            answer = transport.start(request, 120.0).result().response
        except ServerError as error:
            refused, refusal = refused + 1, str(error)
            continue
        for tensor in answer.tensors:
            expected = reference[tensor.name]
            found = difference(expected, tensor.array)
            worst = max(worst, found.relative)
            spread = difference(expected, basic[tensor.name]).absolute
            wrong += found.absolute > tolerance_of(expected, spread if np.isfinite(spread) else 0.0).absolute
    transport.close()
    return Row(
        model=subject.name,
        here=onnxruntime.__version__,
        there=there,
        cuts=len(chosen),
        refused=refused,
        wrong=wrong,
        worst_relative_error=worst,
        tensors_here=len(model.crossable),
        refusal=refusal,
    )


def main() -> int:
    """Compare every model and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", default="1.24.1", help="version of ONNX Runtime on the server (default 1.24.1)")
    parser.add_argument("--python", help="an interpreter that has partway and the other version already")
    parser.add_argument("--cuts", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = arguments.python or make_environment(folder / "environment", arguments.other)
        repository = folder / "models"
        repository.mkdir()
        chosen = []
        for number, subject in enumerate(subjects(folder / "light")):
            chosen.append((subject, repository / f"model{number}.onnx"))
            shutil.copy(subject.path, chosen[-1][1])
        environment = {"PARTWAY_CACHE": str(folder / "cache")}
        with serving(repository, python=python, environment=environment) as server:
            there = version_of(python)
            rows = [compare(subject, path, server.url, there, arguments.cuts) for subject, path in chosen]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(
            f"{'model':<24}{'device':>9}{'server':>9}{'cuts':>6}{'refused':>9}{'wrong':>7}{'worst relative error':>22}"
        )
        for row in rows:
            print(
                f"{row.model[:22]:<24}{row.here:>9}{row.there:>9}{row.cuts:>6}{row.refused:>9}{row.wrong:>7}"
                f"{row.worst_relative_error:>22.2e}  {row.refusal}"
            )
    return 1 if any(row.refused or row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
