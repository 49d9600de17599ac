from dataclasses import replace

import numpy as np
import pytest

from partway.planning import Conditions, PowerDraw, decide, energy_j, latency_s
from partway.studies import Setup
from partway.studies.hardware import PaperLink
from partway.studies.planned import (
    RATIOS,
    ZSTD,
    conditions_over,
    draw_over,
    name_of_row,
    paper_costs,
    paper_path,
    planned_costs,
)


def by_paper(link: PaperLink) -> Conditions:
    path = paper_path(link)
    return Conditions(
        uplink_bytes_per_s=path.uplink_bytes_per_s, downlink_bytes_per_s=path.downlink_bytes_per_s, rtt_s=path.rtt_s
    )


def test_planning_with_the_papers_terms_is_the_papers_algorithm(unsent: Setup) -> None:
    for item in unsent.configurations():
        table, conditions = paper_costs(item.table), by_paper(item.link)
        draw = PowerDraw(tx_w=item.link.tx_w, rx_w=0.0, idle_w=0.0)
        assert latency_s(table, conditions) == pytest.approx(item.table.latency_s(item.link), rel=1e-6)
        assert energy_j(table, conditions, draw) == pytest.approx(item.table.energy_j(item.link), rel=1e-6)
        assert decide(table, conditions).value == pytest.approx(item.table.latency_s(item.link).min(), rel=1e-6)


def test_what_is_counted_beside_makes_no_cut_cheaper(unsent: Setup) -> None:
    for item in unsent.configurations():
        conditions, draw = conditions_over(item.link), draw_over(item.link, item.device)
        table = planned_costs(item.table, None)
        assert np.all(latency_s(table, conditions) >= item.table.latency_s(item.link) * (1 - 1e-9))
        assert np.all(energy_j(table, conditions, draw) >= item.table.energy_j(item.link) * (1 - 1e-6))
        assert latency_s(table, conditions)[-1] == pytest.approx(item.table.device_s[-1])


def test_packing_only_adds_choices_and_better_packing_never_hurts(setup: Setup) -> None:
    for item in setup.configurations():
        conditions = conditions_over(item.link)
        best_s = [
            decide(planned_costs(item.table, packing), conditions).value
            for packing in (None, *(replace(ZSTD, ratio=ratio) for ratio in RATIOS))
        ]
        assert best_s == sorted(best_s, reverse=True)


def test_pictures_are_not_packed_and_rows_say_what_they_are(unsent: Setup) -> None:
    device = unsent.device("CPU")
    for name, packed in (("alexnet", False), ("kaldi", True)):
        table = unsent.table(name, device)
        costs = planned_costs(table).costs
        names = [name_of_row(table, row) for row in range(len(costs))]
        assert ("server, packed" in names) is packed
        assert [cost.codec for cost in costs] == ["zstd" if each.endswith("packed") else "raw" for each in names]
        for cost, each in zip(costs, names, strict=True):
            raw = names.index(each.removesuffix(", packed"))
            assert cost.crossing == costs[raw].crossing
