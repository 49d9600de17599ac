"""A plan under given conditions, with all that it was made from and asked; as one JSON document, too.

Input: a ranked plan. Output: a `PlanReport`, which `plan_text`, `plan_matrix` and `plan_show` show, or JSON on stdout.
"""

from dataclasses import dataclass, fields

import msgspec

from partway.cli.conditions import Situation
from partway.cli.plan_energy import EnergyAccount
from partway.cli.plan_sources import Source
from partway.graph import Cut, Model
from partway.planning import CostTable, EnergyParts, PlanDocument, RankedCut
from partway.planning.objective import weigh
from partway.reporting import name_set, print_json
from partway.units import format_duration, format_energy


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """A plan, and what it was asked.

    Attributes:
        path: the model as the user named it.
        model: its canonical graph.
        cuts: its cuts, row by row as the plan's costs.
        plan: costs and frontier.
        situation: link and load.
        ranked: the plan under the situation's mean, fastest first.
        device: where heads run.
        server: where tails run.
        energy: where joules come from.
        charge: how full the device's battery is; None where the objective does not ask.
        notes: what the reader should know of the costs.
    """

    path: str
    model: Model
    cuts: tuple[Cut, ...]
    plan: PlanDocument
    situation: Situation
    ranked: tuple[RankedCut, ...]
    device: Source
    server: Source
    energy: EnergyAccount
    charge: float | None
    notes: tuple[str, ...]

    def cut_name(self, row: int) -> str:
        """What to call the cut of a row: the extremes by where they run, others by what they send."""
        cut = self.cuts[row]
        if not cut.offloaded:
            return "(device alone)"
        return "(server alone)" if cut.depth == 0 else name_set(cut.crossing, none="")

    def name(self, row: int) -> str:
        """The same, with the codec where there is one."""
        codec = self.plan.costs[row].codec
        return self.cut_name(row) if codec == "raw" else f"{self.cut_name(row)} as {codec}"

    def said(self, row: int) -> str:
        """The same within a sentence."""
        name, codec = self.cut_name(row), self.plan.costs[row].codec
        return name.strip("()") if codec == "raw" else f"{name.strip('()')} as {codec}"

    @property
    def extremes(self) -> tuple[RankedCut, ...]:
        """The device alone and the server alone, each under its best codec, best first."""
        found: dict[str, RankedCut] = {}
        for ranked in self.ranked:
            if (name := self.cut_name(ranked.index)).startswith("("):
                found.setdefault(name, ranked)
        return tuple(found.values())

    def answer(self) -> str:
        """The best cut and what it takes, in a few words; why there is none, where there is none."""
        best = self.ranked[0]
        if not best.feasible:
            return f"none: {self.said(best.index)} {'; '.join(best.misses)}"
        return f"{self.said(best.index)} {self.amount(best)}"

    def amount(self, ranked: RankedCut) -> str:
        """What a cut reaches, in the objective's terms."""
        if self.plan.objective == "throughput":
            return f"at {ranked.inputs_per_s:.3g} inputs/s, each in {format_duration(ranked.latency_s)}"
        if self.plan.objective == "latency":
            return f"in {format_duration(ranked.latency_s)}"
        return f"with {joules(ranked) or 'unknown joules'} in {format_duration(ranked.latency_s)}"

    def shares(self) -> dict[int, float]:
        """For what share of a varying link's time each row is the best."""
        return self.situation.shares(self.plan, self.energy.device_draw, self.charge)

    def require_feasible(self) -> None:
        """Refuse to go on where no cut does what is asked.

        Raises:
            InputError: it names the cut that comes nearest, and what to loosen.
        """
        conditions = self.situation.mean()
        table = CostTable.of(self.plan.costs)
        draw = self.energy.draw(conditions)
        weigh(table, conditions, self.plan.goal, draw=draw, charge=self.charge).require_feasible()


def print_plan_json(report: PlanReport) -> None:
    """Print the plan and its ranking as one JSON document."""
    conditions = report.situation.mean()
    print_json(
        {
            "model": report.path,
            "digest": report.plan.model,
            "binding": report.plan.binding,
            "objective": report.plan.objective,
            "link": report.situation.text,
            "conditions": {
                "uplink_bytes_per_s": conditions.uplink_bytes_per_s,
                "downlink_bytes_per_s": conditions.downlink_bytes_per_s,
                "rtt_s": conditions.rtt_s,
                "queue_delay_s": conditions.queue_delay_s,
                "slowdown": conditions.slowdown,
            },
            "device": report.plan.device,
            "server": report.plan.server,
            "device_how": report.device.how,
            "server_how": report.server.how,
            "device_emulated_slowdown": report.device.emulated_slowdown,
            "server_emulated_slowdown": report.server.emulated_slowdown,
            "device_unsampled": report.device.unsampled,
            "server_unsampled": report.server.unsampled,
            "constraints": msgspec.to_builtins(report.plan.constraints),
            "charge": report.charge,
            "search": msgspec.to_builtins(report.plan.search),
            "busy_share": _busy_share(report),
            "energy": report.energy.document(),
            "notes": report.notes,
            "best": cut_document(report, report.ranked[0]),
            "cuts": [cut_document(report, ranked) for ranked in report.ranked],
            "best_over_time": [
                {"crossing": report.cuts[row].crossing, "codec": report.plan.costs[row].codec, "share": share}
                for row, share in report.shares().items()
            ],
        }
    )


def _busy_share(report: PlanReport) -> float | None:
    return max(
        (source.busy_share for source in (report.device, report.server) if source.busy_share is not None), default=None
    )


def total_j(energy: EnergyParts | None) -> float | None:
    """Joules of a request; None where they are not known."""
    return None if energy is None else energy.total_j


def joules(ranked: RankedCut) -> str:
    """The same in words; nothing where they are not known."""
    known_j = total_j(ranked.energy)
    return "" if known_j is None else format_energy(known_j)


def cut_document(report: PlanReport, ranked: RankedCut) -> dict[str, object]:
    """One cut for JSON."""
    cost, parts = ranked.cost, ranked.parts
    return {
        "crossing": cost.crossing,
        "codec": cost.codec,
        "error": cost.error,
        "offloaded": cost.offloaded,
        "device_s": cost.device_s,
        "up_bytes": cost.up_bytes,
        "server_s": cost.server_s,
        "down_bytes": cost.down_bytes,
        "uplink_s": parts.uplink_s,
        "downlink_s": parts.downlink_s,
        "wait_s": parts.wait_s,
        "latency_s": ranked.latency_s,
        "latency_spread_s": ranked.spread_s,
        "energy_j": total_j(ranked.energy),
        "energy_parts": None if ranked.energy is None else _energy_document(ranked.energy),
        "device_j_how": cost.device_j_how,
        "how": cost.how,
        "depth": report.cuts[ranked.index].depth,
        "device_bytes": cost.device_bytes,
        "value": ranked.value,
        "feasible": ranked.feasible,
        "misses": ranked.misses,
        "inputs_per_s": ranked.inputs_per_s,
        "slowest": ranked.slowest,
        "on_frontier": ranked.on_frontier,
    }


def _energy_document(energy: EnergyParts) -> dict[str, float | None]:
    return {field.name: getattr(energy, field.name) for field in fields(energy)}
