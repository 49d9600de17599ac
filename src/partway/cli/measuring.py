"""Measurements for planning: read from a file, found in the cache, or taken now.

Input: a model, its cuts, what the user said. Output: a `Measurement` and where it came from. One that was taken is
kept under the model's digest, binding, host, runtime and threads, and used again. Called by `partway plan`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from partway.documents import read_document, write_document
from partway.engine import OrtRuntime, PieceStore
from partway.errors import DocumentError, InputError
from partway.graph import Cache, Cut, Model, cut_at
from partway.planning.measured import covers
from partway.profiling import Environment, Measurement, describe_machine, measure_cuts
from partway.reporting import follow, waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A measurement of this machine.

    Attributes:
        measurement: what was measured.
        path: where it is kept.
        anew: whether it was taken now.
    """

    measurement: Measurement
    path: Path
    anew: bool


def take_measurement(
    model: Model,
    cuts: Sequence[Cut],
    runtime: OrtRuntime,
    feeds: Mapping[str, np.ndarray],
    *,
    again: bool,
    quiet: bool,
) -> Taken:
    """Times of these cuts on this machine: kept ones, and what is missing among them taken now and kept.

    Args:
        model: the canonical graph.
        cuts: what to measure.
        runtime: runs the pieces.
        feeds: the model's inputs.
        again: whether to measure even where kept times exist.
        quiet: whether to show no progress.

    Raises:
        EngineError: the runtime fails on a piece.
        InputError: the cache cannot be written.
    """
    environment = describe_machine(runtime.version, runtime.threads)
    path = kept_file("measurements", model, environment)
    kept = None if again else _kept(path)
    if kept is not None and covers(kept, cuts):
        return Taken(measurement=kept, path=path, anew=False)
    known = () if kept is None else kept.cuts
    missing = [cut for cut in cuts if cut.crossing not in {timing.crossing for timing in known}]
    # One session at a time is in use; keeping none of the others keeps memory as flat as in serving.
    store = PieceStore(model, runtime, capacity=2)
    with waiting("optimising for this machine", quiet=quiet):
        store.want_candidates()
        store.want(missing)
        store.promote()
    with follow("measuring cuts", quiet=quiet) as progress:
        measurement = measure_cuts(store, missing, feeds, environment=environment, progress=progress)
    if kept is not None:
        together = sorted((*kept.cuts, *measurement.cuts), key=lambda timing: _place(model, timing.crossing))
        measurement = msgspec.structs.replace(
            measurement, cuts=tuple(together), busy_share=max(kept.busy_share, measurement.busy_share)
        )
    write_document(path, measurement)
    return Taken(measurement=measurement, path=path, anew=True)


def kept_file(kind: str, model: Model, environment: Environment, *more: str) -> Path:
    """Where something is kept that was found out of a model on this machine.

    Args:
        kind: the folder's name.
        model: the canonical graph.
        environment: of this machine.
        more: what else it depends on.

    Raises:
        InputError: the cache cannot be written.
    """
    identity = (
        model.source_digest,
        model.binding.encode(),
        environment.host,
        environment.runtime,
        str(environment.threads),
        *more,
    )
    key = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    folder = Cache.default().root / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}); set PARTWAY_CACHE to another"
        ) from error
    return folder / f"{key}.json"


def _place(model: Model, crossing: tuple[str, ...]) -> tuple[bool, int]:
    # The shallowest first, the device alone last.
    return not crossing, cut_at(model, crossing).depth


def _kept(path: Path) -> Measurement | None:
    try:
        return read_document(path, Measurement)
    except DocumentError:
        return None  # not there yet, or of another release: taken anew
