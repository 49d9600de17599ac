import pytest
from tests.studies.support import finding_of

from partway.studies import Setup, against_maui, paper
from partway.studies.against_maui import MEMORIES, Memory, against, own_calls
from partway.studies.choosing import believed_table


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES.keys())
def test_a_memory_of_kinds_is_never_better_than_the_truth(setup: Setup, memory: Memory) -> None:
    configurations = tuple(setup.configurations())
    outcomes = against(setup, configurations, memory)
    assert len(outcomes) == 48
    assert all(outcome.share <= 1 for outcome in outcomes)


def test_a_memory_of_the_network_itself_is_right_in_sum_alone(setup: Setup) -> None:
    table = setup.table("alexnet", setup.device("GPU"))
    memories = (own_calls(setup, "alexnet", machine) for machine in (setup.device("GPU").machine, setup.server))
    seen = believed_table(table, *memories)
    assert seen.device_s[-1] == pytest.approx(table.device_s[-1])
    assert seen.server_s[0] == pytest.approx(table.server_s[0])
    assert seen.device_s[1] != pytest.approx(table.device_s[1])


def test_the_rows_span_both_memories(setup: Setup) -> None:
    for claim in (paper.MAUI_MEAN, paper.MAUI_MAX):
        found = finding_of(against_maui.STUDY, setup, claim)
        assert found.kind == "sensitivity"
        assert found.span is not None
        assert found.span[0] <= found.ours <= found.span[1]
        assert found.ours >= 1
