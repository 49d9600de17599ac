from tests.studies.support import finding_of

from partway.reporting import Grid
from partway.studies import Setup, best_cuts, paper
from partway.studies.query_sizes import NETWORK_OF_ASR


def test_vision_networks_are_cut_in_the_middle_as_often_as_the_note_says(setup: Setup) -> None:
    inside = dict.fromkeys(("alexnet", "vgg19", "deepface"), 0)
    for item in setup.configurations():
        if item.network in inside:
            latency_s = item.table.latency_s(item.link)
            inside[item.network] += bool(latency_s[1:-1].min() < min(latency_s[0], latency_s[-1]))
    found = finding_of(best_cuts.STUDY, setup, paper.VISION_IN_THE_MIDDLE)
    told = ", ".join(f"{setup.networks[name].application} in {count}" for name, count in inside.items())
    assert f"in {sum(inside.values())} of 18 configurations ({told})" in found.note
    assert found.ours is all(inside.values())


def test_the_table_has_all_48_and_the_grids_a_row_a_network(setup: Setup) -> None:
    result = best_cuts.run(setup)
    assert len(result.tables[0].rows) == 48
    for grid in result.charts[0].panels:
        assert isinstance(grid, Grid)
        assert len(grid.rows) == 8


def test_what_asr_does_hangs_on_its_frames_and_the_note_says_for_which(setup: Setup) -> None:
    found = finding_of(best_cuts.STUDY, setup, paper.ASR_ON_SERVER)
    assert found.kind == "sensitivity"
    assert "frames" in found.note
    assert "if device-only sent no result, it would leave on CPU over 3G" in found.note
    one = finding_of(best_cuts.STUDY, Setup.of_paper(queries={NETWORK_OF_ASR: 1}), paper.ASR_ON_SERVER)
    assert one.note.endswith("it would leave on none with as many as 1")
