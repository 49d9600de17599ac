"""From a samples file to a profile."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.prediction.known_machine import measured
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import HEADER, refusal

from partway.errors import DocumentError, InputError
from partway.prediction.refit import SamplesJudge, fit_profile
from partway.profiling.samples import Sample, SamplesHeader
from partway.profiling.samples_file import SamplesFile

GRAPHS = 60


def kept(
    folder: Path,
    samples: Iterable[Sample],
    *,
    refusals: int = 0,
    header: SamplesHeader = HEADER,
    again: bool = True,
) -> Path:
    path = folder / "here.samples.jsonl"
    with SamplesFile(path, header, again=again) as sink:
        for sample in samples:
            sink.append(msgspec.structs.replace(sample, index=sink.count))
        for _ in range(refusals):
            sink.append(refusal(sink.count))
    return path


@pytest.fixture(scope="module")
def good() -> Sequence[Sample]:
    return measured(zoo_graphs(GRAPHS))


def test_a_profile_says_what_it_was_fitted_to(tmp_path: Path, good: Sequence[Sample]) -> None:
    profile = fit_profile(kept(tmp_path, good, refusals=3))
    assert (profile.machine, profile.runtime, profile.providers) == (HEADER.machine, HEADER.runtime, HEADER.providers)
    sampling = profile.sampling
    assert (sampling.graphs, sampling.refused, sampling.disturbed) == (GRAPHS, 3, 0)
    assert sampling.kernels == sum(len(sample.kernels) for sample in good)
    assert sampling.held_out["1"].graphs == GRAPHS // 5
    assert profile.predictor(1).variants
    assert profile.powers == ()


def test_disturbed_samples_are_left_out(tmp_path: Path, good: Sequence[Sample]) -> None:
    disturbed = measured(zoo_graphs(20), busy_share=0.5, slower=10.0)
    clean = fit_profile(kept(tmp_path, good))
    mixed = fit_profile(kept(tmp_path, (*good, *disturbed)))
    assert mixed.predictors == clean.predictors
    assert (mixed.sampling.graphs, mixed.sampling.disturbed) == (GRAPHS + 20, 20)


def test_where_all_are_disturbed_they_are_better_than_none(tmp_path: Path) -> None:
    profile = fit_profile(kept(tmp_path, measured(zoo_graphs(20), busy_share=0.5)))
    assert profile.sampling.disturbed == 0
    assert profile.predictor(1).variants


def test_each_setting_of_threads_has_a_predictor(tmp_path: Path, good: Sequence[Sample]) -> None:
    slow = measured(zoo_graphs(20), threads=4, slower=10.0)
    header = msgspec.structs.replace(HEADER, threads=(1, 4))
    profile = fit_profile(kept(tmp_path, (*good, *slow), header=header))
    assert [predictor.threads for predictor in profile.predictors] == [1, 4]
    assert profile.sampling.held_out.keys() == {"1", "4"}


def test_a_file_without_samples_makes_no_profile(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no samples to fit to; measure some"):
        fit_profile(kept(tmp_path, (), refusals=2))
    with pytest.raises(DocumentError, match="cannot read"):
        fit_profile(tmp_path / "nowhere.jsonl")


def test_a_session_is_told_what_it_needs_and_when_it_is_enough(tmp_path: Path, good: Sequence[Sample]) -> None:
    judge = SamplesJudge()
    focused = [msgspec.structs.replace(sample, focus="gemm" if place % 2 else "") for place, sample in enumerate(good)]
    path = kept(tmp_path, focused)
    assert not judge.good_enough(path)  # however precise, it is too few graphs
    assert judge.needs(path).keys() == {"gemm"}
    assert judge.needs(path) is judge.needs(path)  # nothing new, nothing to judge
    more = kept(tmp_path, (msgspec.structs.replace(good[0], focus="conv.dense"),), again=False)
    assert judge.needs(more).keys() == {"gemm", "conv.dense"}


def test_before_there_are_samples_nothing_is_asked_for(tmp_path: Path) -> None:
    judge, path = SamplesJudge(), kept(tmp_path, (), refusals=1)
    assert not judge.good_enough(path)
    assert judge.needs(path) == {}
