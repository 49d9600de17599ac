"""A model that is really measured fits together."""

import pytest
from benchmarks.contest import estimate as estimate_model
from benchmarks.contest import evaluation
from benchmarks.measured import MeasuredModel
from benchmarks.measuring import measure_model
from tests.benchmarks.measured_models import prediction


@pytest.fixture(scope="module")
def measured() -> MeasuredModel:
    return measure_model("family/tabular-1", threads=1, cuts=1)


def test_head_and_tail_run_what_the_whole_runs(measured: MeasuredModel) -> None:
    (cut,) = measured.cuts
    assert {*cut.head.kernels, *cut.tail.kernels} >= {*measured.whole.kernels}
    assert len(measured.kernels) == len({index for piece in measured.pieces for index in piece.kernels})


def test_every_piece_was_timed_twice(measured: MeasuredModel) -> None:
    assert all(min(measured.seconds(number)) > 0 for number in (0, 1))


def test_every_kernel_of_the_whole_was_timed(measured: MeasuredModel) -> None:
    assert measured.kernels_s is not None
    assert len(measured.kernels_s) == len(measured.whole.kernels)


def test_bytes_are_those_of_the_cut(measured: MeasuredModel) -> None:
    assert measured.input_bytes > 0
    assert measured.output_bytes > 0
    assert measured.cuts[0].up_bytes > 0


def test_it_can_be_predicted(measured: MeasuredModel) -> None:
    found = evaluation(estimate_model(measured, prediction()), threads=1, prediction=prediction())
    assert len(tuple(found.pieces)) == 2
    assert sum(kind.kernels for kind in found.kinds) == len(measured.whole.kernels)
