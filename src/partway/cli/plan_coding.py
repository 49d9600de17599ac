"""Codecs for a plan: what each makes of what the cuts send, and whether answers stay within what the user accepts.

    run the model once ─> its crossing tensors ─> every codec ─> sizes, seconds ─> rows of (cut, codec)
    lossy rows that can be best ─> head, codec, tail on the samples ─> measured error ─> those over the budget go

Input: costs with raw tensors, and sample inputs. Output: costs of cuts and codecs together. Called by `plan_costs`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from partway.cli.measuring import kept_file
from partway.codecs import is_lossless
from partway.documents import Document, read_document, write_document
from partway.engine import OrtRuntime, PieceStore
from partway.errors import DocumentError
from partway.graph import Cut, Model, whole
from partway.planning import CostTable, CutCost, DeviceDraw, Goal, Side, frontier, pareto
from partway.planning.coded import coded_costs
from partway.planning.constraints import keep_to, limits
from partway.profiling import Effort, describe_machine, time_session
from partway.reporting import follow, waiting
from partway.verification import (
    TensorTrial,
    check_codecs,
    coded_sizes,
    crossing_arrays,
    cut_trials,
    measure_codecs,
)

Feeds = Mapping[str, np.ndarray]

_ROUNDS = 3
_QUICK = Effort(warm_ups=1, least_runs=3, most_runs=9, budget_s=0.3)


class KeptTrials(Document, frozen=True, kw_only=True):
    """What codecs made of one model's tensors on this machine, kept for the next plan from the same inputs.

    Attributes:
        whole_s: seconds of the whole model beside which they were timed.
        tensors: every tensor under every codec that was tried.
        sizes: bytes of every tensor that may cross, by codec and name.
    """

    kind: ClassVar[str] = "partway.codec_trials"
    version: ClassVar[int] = 1

    whole_s: float
    tensors: tuple[TensorTrial, ...] = ()
    sizes: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedRows:
    """Rows of (cut, codec).

    Attributes:
        costs: each cut raw, then under the codecs that make it smaller and keep to the budget.
        notes: what the reader should know of them.
    """

    costs: tuple[CutCost, ...]
    notes: tuple[str, ...] = ()


class Coding:
    """Tries codecs on one model.

    Args:
        model: the canonical graph.
        runtime: runs it.
        codecs: to try beside raw.
        goal: with the error that lossy ones may cause, and what decides which cuts can be best.
        samples: makes the inputs to try them on.
        given: whether these are the user's own.
        again: whether to try anew what was tried in an earlier run.
        quiet: whether to show no progress.

    Attributes:
        codecs: to try beside raw.
    """

    def __init__(
        self,
        model: Model,
        runtime: OrtRuntime,
        codecs: tuple[str, ...],
        *,
        goal: Goal,
        samples: Callable[[], Sequence[Feeds]],
        given: bool,
        again: bool,
        quiet: bool,
    ) -> None:
        self._runtime = runtime
        self._store = PieceStore(model, runtime)
        self.codecs = codecs
        self._goal = goal
        self._samples = samples
        self._given = given
        self._quiet = quiet
        self._again = again
        self._kept: KeptTrials | None = None
        self._errors: dict[tuple[tuple[str, ...], str], float] = {}

    def sizes(self) -> tuple[Mapping[str, int], ...]:
        """What each codec makes of every tensor that may cross, by name.

        Raises:
            EngineError: the runtime fails on the model.
        """
        if not self.codecs:
            return ()
        tried = self._tried()
        if new := [codec for codec in self.codecs if codec not in tried.sizes]:
            with waiting("trying codecs on all tensors", quiet=self._quiet):
                found = coded_sizes(PieceStore(self._store.model, self._runtime, capacity=1), new, self._samples()[0])
            tried = self._keep(msgspec.structs.replace(tried, sizes={**tried.sizes, **found}))
        return tuple(tried.sizes[codec] for codec in self.codecs)

    def rows(
        self, cuts: Sequence[Cut], costs: Sequence[CutCost], *, device: Side, server: Side, draw: DeviceDraw | None
    ) -> CodedRows:
        """The costs of these cuts, raw and coded.

        Args:
            cuts: to price.
            costs: of the same cuts with raw tensors.
            device: where heads run; tells how much slower than this machine it encodes.
            server: where tails run; the same of decoding.
            draw: what the device draws, where energy may decide.

        Raises:
            EngineError: the runtime fails on a piece.
        """
        if not self.codecs or not any(cut.offloaded for cut in cuts):
            return CodedRows(costs=tuple(costs))
        tried = self._try([cut for cut in cuts if cut.offloaded])
        rows = coded_costs(
            costs,
            cut_trials(cuts, [trial for trial in tried.tensors if trial.codec in self.codecs]),
            device_scale=max(head.seconds for head in device.heads) / tried.whole_s,
            server_scale=max(tail.seconds for tail in server.tails) / tried.whole_s,
        )
        kept, dropped = self._within_budget({cut.crossing: cut for cut in cuts}, rows, draw)
        return CodedRows(costs=kept, notes=self._notes(kept, dropped))

    def _try(self, cuts: Sequence[Cut]) -> KeptTrials:
        tried = self._tried()
        known = {(trial.name, trial.codec) for trial in tried.tensors}
        wanted = {name for cut in cuts for name in cut.crossing}
        new = {name for name in wanted if any((name, codec) not in known for codec in self.codecs)}
        if not new:
            return tried
        with waiting("trying codecs on what the cuts send", quiet=self._quiet):
            arrays = crossing_arrays(self._store, cuts, self._samples()[0])
            found = measure_codecs({name: arrays[name] for name in arrays if name in new}, self.codecs, rounds=_ROUNDS)
        anew = {(trial.name, trial.codec) for trial in found}
        before = [trial for trial in tried.tensors if (trial.name, trial.codec) not in anew]
        return self._keep(msgspec.structs.replace(tried, tensors=(*before, *found)))

    def _tried(self) -> KeptTrials:
        # Of this run or an earlier one; else begun now.
        if self._kept is None and not self._again:
            self._kept = _read(self._path)
        if self._kept is None:
            session = self._store.session(whole(self._store.model))
            self._kept = KeptTrials(whole_s=time_session(session, self._samples()[0], effort=_QUICK).median_s)
        return self._kept

    def _keep(self, tried: KeptTrials) -> KeptTrials:
        self._kept = tried
        write_document(self._path, tried)
        return tried

    @cached_property
    def _path(self) -> Path:
        environment = describe_machine(self._runtime.version, self._runtime.threads)
        return kept_file("codecs", self._store.model, environment, _digest(self._samples()[0]))

    def _within_budget(
        self, cuts: Mapping[tuple[str, ...], Cut], rows: tuple[CutCost, ...], draw: DeviceDraw | None
    ) -> tuple[tuple[CutCost, ...], int]:
        # Only lossy rows that can be best are worth running; those that stay unchecked are left out in the end.
        budget, dropped = self._goal.constraints.max_error or 0.0, 0
        while True:
            known = [self._with_error(row) for row in rows]
            rows = tuple(row for row in known if row is not None and row.error <= budget)
            dropped += len(known) - len(rows)
            unchecked = [row for row in self._best(rows, draw) if self._unchecked(row)]
            if not unchecked:
                return tuple(row for row in rows if not self._unchecked(row)), dropped
            self._check(cuts, unchecked)

    def _best(self, rows: tuple[CutCost, ...], draw: DeviceDraw | None) -> list[CutCost]:
        # As plans choose: among what keeps to the limits that no conditions change.
        within = keep_to(limits(self._goal.constraints, CostTable.of(rows)))
        allowed = [row for index, row in enumerate(rows) if within is None or within[index]]
        if not allowed:
            return []
        chosen = frontier(allowed, draws=None if draw is None else draw.at) if self._goal.linear else pareto(allowed)
        return [allowed[row] for row in chosen]

    def _unchecked(self, row: CutCost) -> bool:
        return not is_lossless((row.codec,)) and (row.crossing, row.codec) not in self._errors

    def _check(self, cuts: Mapping[tuple[str, ...], Cut], rows: Sequence[CutCost]) -> None:
        wanted: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            wanted.setdefault(row.crossing, []).append(row.codec)
        with follow("checking lossy codecs", quiet=self._quiet) as progress:
            for done, (crossing, codecs) in enumerate(wanted.items(), start=1):
                for check in check_codecs(self._store, [cuts[crossing]], codecs, self._samples()):
                    self._errors[crossing, check.codec] = check.error
                progress(done, len(wanted))

    def _with_error(self, row: CutCost) -> CutCost | None:
        error = self._errors.get((row.crossing, row.codec), 0.0)
        return msgspec.structs.replace(row, error=error) if np.isfinite(error) else None

    def _notes(self, kept: Sequence[CutCost], dropped: int) -> tuple[str, ...]:
        inputs = "the given inputs" if self._given else "random inputs, and real ones may do otherwise: give --input"
        notes = [f"codecs {', '.join(self.codecs)} were tried on this machine, on {inputs}"]
        if dropped:
            rows = "1 cut under a lossy codec is" if dropped == 1 else f"{dropped} cuts under lossy codecs are"
            notes.append(f"{rows} over --max-error and left out")
        if not any(row.codec != "raw" for row in kept):
            notes.append("no codec makes what any cut sends smaller and keeps to the budget")
        return tuple(notes)


def _digest(feeds: Feeds) -> str:
    found = hashlib.sha256()
    for name in sorted(feeds):
        array = np.asarray(feeds[name])
        content = repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(content)
    return found.hexdigest()


def _read(path: Path) -> KeptTrials | None:
    try:
        return read_document(path, KeptTrials)
    except DocumentError:
        return None  # not there yet, or of another release: tried anew
