"""From two machines to the plan of a pair: which cuts, what they cost, under which codecs.

    measured, profiled, analytic ─> seconds of nodes ─> search ─> cuts it proposes ─┐
                                                 lists: single tensors, candidates ─┴─> pieces priced ─> codecs ─> plan

Input: the user's documents, or what is measured here and now. Output: a `Planned` for each pair of machines. Called by
`partway plan`.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np

from partway.cli.inspect import known_cuts
from partway.cli.measuring import Taken, take_measurement
from partway.cli.opening import Subject
from partway.cli.plan_coding import CodedRows, Coding
from partway.cli.plan_energy import EnergyAccount
from partway.cli.plan_pair import Pair, Planned
from partway.cli.plan_sources import (
    SideDocument,
    Source,
    Whose,
    analytic_source,
    measured_source,
    predicted_source,
    read_source,
)
from partway.codecs import available_codecs
from partway.engine import OrtRuntime, PieceStore
from partway.errors import InputError
from partway.graph import Cut, Model, candidate_cuts, head_bytes
from partway.planning import (
    Conditions,
    Goal,
    NodeCosts,
    Proposal,
    SearchRecord,
    additive_gap,
    allows,
    analytic_nodes,
    costs_of_sides,
    make_plan,
    propose_cuts,
)
from partway.planning.nodes import measured_nodes, profiled_nodes
from partway.prediction.analytic import AnalyticMachine
from partway.prediction.profile import Profile
from partway.profiling import Measurement
from partway.reporting import waiting

_MADE_UP = 3


class Costing:
    """Makes plans of one model.

    Args:
        arguments: of `partway plan`.
        subject: the model as the user named it.
        model: its canonical graph.
        runtime: measures and optimises here.
        goal: what plans are for.
        codecs: to try beside raw.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        subject: Subject,
        model: Model,
        runtime: OrtRuntime,
        *,
        goal: Goal,
        codecs: tuple[str, ...],
    ) -> None:
        self._arguments = arguments
        self._subject = subject
        self._model = model
        self._runtime = runtime
        self._goal = goal
        self._restrictions = goal.constraints.restrict(model)
        self._feeds: Mapping[str, np.ndarray] | None = None
        self._coding = Coding(
            model,
            runtime,
            codecs,
            goal=goal,
            samples=self._samples,
            given=subject.given is not None,
            again=arguments.again,
            quiet=arguments.json,
        )
        self._taken: Taken | None = None
        self._read: dict[Path, SideDocument] = {}

    def plan(self, pair: Pair, energy: EnergyAccount, conditions: Conditions) -> Planned:
        """The plan of one pair of machines.

        Args:
            pair: their documents.
            energy: where joules come from.
            conditions: to say how good the plan is, where its objective is not linear.

        Raises:
            InputError: a document cannot be used for this model, or the constraints rule every cut out.
            EngineError: the runtime fails on a piece.
        """
        documents = self._documents(pair, ())
        slowdown = self._arguments.device_slowdown
        nodes = NodeCosts(
            device_s=self._nodes(documents["device"], "device") * slowdown,
            server_s=self._nodes(documents["server"], "server"),
        )
        proposal = self._propose(nodes, energy)
        proposed = () if proposal is None else proposal.cuts
        documents = self._documents(pair, proposed)  # what the search proposed is measured, too
        cuts = _ordered(self._model, proposed)
        store = self._store(proposed) if any(isinstance(d, Profile) for d in documents.values()) else None
        device = self._source(documents["device"], "device", cuts, store, slowdown=slowdown)
        server = self._source(documents["server"], "server", cuts, store)
        coded = self._costs(cuts, device, server, energy)
        plan = make_plan(
            model=self._model.source_digest,
            binding=self._model.binding.encode(),
            goal=self._goal,
            costs=coded.costs,
            device=device.machine,
            server=server.machine,
            created_from=pair.describe(),
            device_energy=energy.device_source(),
            draw=energy.device_draw,
            search=None if proposal is None else self._record(proposal, energy, conditions),
        )
        by_crossing = {cut.crossing: cut for cut in cuts}
        notes = (*device.notes, *server.notes, *self._notes(proposal, store), *coded.notes)
        joules = energy.notes(analytic=device.how == server.how == "analytic")
        return Planned(
            plan=plan,
            cuts=tuple(by_crossing[row.crossing] for row in plan.costs),
            device=device,
            server=server,
            nodes=nodes,
            notes=tuple(dict.fromkeys((*notes, *joules))),
        )

    def _documents(self, pair: Pair, proposed: Sequence[Cut]) -> dict[Whose, SideDocument]:
        # Read once, and measured here where there is no file.
        found: dict[Whose, SideDocument] = {}
        sides: tuple[tuple[Whose, Path | None], ...] = (("device", pair.device), ("server", pair.server))
        for whose, path in sides:
            if path is not None and path not in self._read:
                self._read[path] = read_source(path)
            found[whose] = self._measured(proposed) if path is None else self._read[path]
        return found

    def _costs(self, cuts: tuple[Cut, ...], device: Source, server: Source, energy: EnergyAccount) -> CodedRows:
        rows = costs_of_sides(
            cuts,
            device=device.side,
            server=server.side,
            power=energy.power,
            memory_bytes=[head_bytes(self._model, cut) for cut in cuts],
        )
        allowed = [pair for pair in zip(cuts, rows, strict=True) if allows(pair[0], self._restrictions)]
        if not allowed:
            raise InputError(
                "no cut does what --keep-on-device and --on-server ask for; `partway inspect` lists the tensors that "
                "may cross: leave one of the options out"
            )
        chosen, costs = zip(*allowed, strict=True)
        return self._coding.rows(chosen, costs, device=device.side, server=server.side, draw=energy.device_draw)

    def _propose(self, nodes: NodeCosts, energy: EnergyAccount) -> Proposal | None:
        if find_spec("scipy") is None:
            return None
        coded_bytes = self._coding.sizes()
        with waiting("searching all cuts", quiet=self._arguments.json):
            return propose_cuts(
                self._model,
                nodes,
                goal=self._goal,
                restrictions=self._restrictions,
                draw=energy.device_draw,
                active_w=energy.active_w or None,
                coded_bytes=coded_bytes,
            )

    def _record(self, proposal: Proposal, energy: EnergyAccount, conditions: Conditions) -> SearchRecord:
        draw = energy.draw(conditions)
        gap = additive_gap(proposal, self._goal, conditions, draw=draw, active_w=energy.active_w)
        return msgspec.structs.replace(proposal.record, gap=gap)

    def _measured(self, proposed: Sequence[Cut]) -> Measurement:
        arguments = self._arguments
        first = known_cuts(self._model) if arguments.all_cuts else candidate_cuts(self._model)
        again = arguments.again and self._taken is None
        wanted = tuple({cut.crossing: cut for cut in (*first, *proposed)}.values())
        taken = take_measurement(self._model, wanted, self._runtime, self._sample(), again=again, quiet=arguments.json)
        # The second look of one run finds what the first one measured.
        self._taken = replace(taken, anew=taken.anew or (self._taken is not None and self._taken.anew))
        return taken.measurement

    def _sample(self) -> Mapping[str, np.ndarray]:
        if self._feeds is None:
            self._feeds = self._subject.feeds(self._arguments.seed)
        return self._feeds

    def _samples(self) -> Sequence[Mapping[str, np.ndarray]]:
        # Whether a lossy codec keeps to a budget shows on more than one made-up input.
        if self._subject.given is not None:
            return (self._sample(),)
        more = (self._subject.feeds(self._arguments.seed + step) for step in range(1, _MADE_UP))
        return (self._sample(), *more)

    def _nodes(self, document: SideDocument, whose: Whose) -> np.ndarray:
        if isinstance(document, Measurement):
            return measured_nodes(self._model, document)
        if isinstance(document, AnalyticMachine):
            return analytic_nodes(self._model, document)
        try:
            return profiled_nodes(self._model, document, threads=self._runtime.threads)
        except InputError as error:
            raise InputError(f"--{whose}: {error}") from error

    def _store(self, proposed: Sequence[Cut]) -> PieceStore:
        store = PieceStore(self._model, self._runtime)
        with waiting("optimising for this machine", quiet=self._arguments.json):
            store.want_candidates()
            store.want(proposed)
            store.promote()
        return store

    def _source(
        self,
        document: SideDocument,
        whose: Whose,
        cuts: tuple[Cut, ...],
        store: PieceStore | None,
        *,
        slowdown: float = 1.0,
    ) -> Source:
        if isinstance(document, AnalyticMachine):
            return analytic_source(self._model, cuts, document, whose, slowdown=slowdown)
        if isinstance(document, Measurement) or store is None:
            if isinstance(document, Profile):
                raise InputError(f"the {whose}'s profile needs a graph that is optimised here, and there is none")
            return measured_source(self._model, cuts, document, whose, slowdown=slowdown)
        return predicted_source(
            store, cuts, document, whose, runtime=self._runtime, strict=self._arguments.strict, slowdown=slowdown
        )

    def _notes(self, proposal: Proposal | None, store: PieceStore | None) -> list[str]:
        notes = []
        if proposal is None:
            notes.append(
                "only cuts of one tensor and a few others were tried; to search all: pip install 'partway[plan]'"
            )
        if self._arguments.codec is None and "zstd" not in available_codecs():
            notes.append("tensors travel raw; to compress them: pip install 'partway[codec]'")
        elif self._arguments.codec is None and not self._coding.codecs:
            notes.append("tensors travel raw, since nothing runs here; --codec lossless runs the model once")
        if self._goal.constraints.keep_on_device and self._model.binding.values:
            notes.append("what --bind holds is part of the binding, which the server is told")
        if self._taken is not None and not self._taken.anew:
            notes.append(f"costs were kept from an earlier run in {self._taken.path}; --again measures anew")
        if store is not None and store.unmarked:
            notes.append(
                "the runtime did not optimise the graph with the cuts in it, so predictions are of the plain graph and "
                "too long"
            )
        return notes


def _ordered(model: Model, proposed: Sequence[Cut]) -> tuple[Cut, ...]:
    # From server-only to device-only; where two cuts leave the same work, the one that planning measures comes first,
    # so that it wins ties against those that are interpolated from it.
    measured = frozenset(cut.crossing for cut in (*candidate_cuts(model), *proposed))

    def place(cut: Cut) -> tuple[bool, int, bool, int]:
        return (not cut.offloaded, cut.macs if model.macs else cut.depth, cut.crossing not in measured, cut.depth)

    every = {cut.crossing: cut for cut in (*known_cuts(model), *proposed)}
    return tuple(sorted(every.values(), key=place))
