from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model, diamond_model, if_model, loop_model, multi_io_model
from tests.verification.test_coding import opened

from partway.codecs import encode_tensor
from partway.graph import candidate_cuts, prefix_cuts, single_tensor_cuts
from partway.verification import CodedCheck, coded_sizes, crossing_arrays, cut_trials, measure_codecs
from partway.verification import trials as module


def ticking() -> Callable[[], float]:
    ticks: Iterator[int] = count()
    return lambda: float(next(ticks))


@pytest.mark.parametrize("make", [chain_model, diamond_model, if_model, loop_model, multi_io_model])
def test_the_tensors_that_cuts_send_are_those_that_their_heads_compute(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    store, feeds = opened(make(tmp_path))
    cuts = (*single_tensor_cuts(store.model), *prefix_cuts(store.model))
    arrays = crossing_arrays(store, cuts, feeds)
    assert set(arrays) == {name for cut in cuts for name in cut.crossing}
    for cut in cuts:
        known = dict(feeds)
        if cut.head is not None:
            known |= store.session(cut.head).run({name: known[name] for name in cut.head.inputs})
        for name in cut.crossing:
            np.testing.assert_allclose(arrays[name], known[name], rtol=1e-4, atol=1e-5)


def test_no_cuts_send_no_tensors(tmp_path: Path) -> None:
    store, feeds = opened(chain_model(tmp_path))
    assert crossing_arrays(store, (), feeds) == {}


def test_every_tensor_is_tried_under_every_codec_in_turn_and_seconds_are_medians() -> None:
    arrays: dict[str, np.ndarray] = {"zeros": np.zeros((1, 4, 64), np.float32), "whole": np.arange(256)}
    trials = measure_codecs(arrays, ("raw", "int8"), clock=ticking(), rounds=3)
    assert [(trial.name, trial.codec) for trial in trials] == [
        ("zeros", "raw"), ("zeros", "int8"), ("whole", "raw"), ("whole", "int8")
    ]  # fmt: skip
    assert [trial.raw_bytes for trial in trials] == [1024, 1024, 2048, 2048]
    assert [trial.coded_bytes for trial in trials] == [1024, 256, 2048, 2048]
    assert {(trial.encode_s, trial.decode_s) for trial in trials} == {(1.0, 1.0)}


def test_a_cuts_trial_is_the_sum_of_its_tensors_with_the_error_of_its_check(tmp_path: Path) -> None:
    store, feeds = opened(diamond_model(tmp_path))
    cuts = (*prefix_cuts(store.model), *candidate_cuts(store.model)[-1:])
    assert not cuts[-1].offloaded
    tensors = measure_codecs(crossing_arrays(store, cuts, feeds), ("zstd", "float16"), clock=ticking(), rounds=1)
    last = cuts[-2]
    check = CodedCheck(
        crossing=last.crossing,
        codec="float16",
        lossless=False,
        error=0.25,
        bit_equal=False,
        deterministic=True,
        same_top=None,
    )
    trials = cut_trials(cuts, tensors, (check,))
    assert [(trial.crossing, trial.codec) for trial in trials] == [
        (cut.crossing, codec) for cut in cuts[:-1] for codec in ("zstd", "float16")
    ]
    assert any(len(trial.crossing) > 1 for trial in trials)
    for trial in trials:
        parts = [part for part in tensors if part.name in trial.crossing and part.codec == trial.codec]
        assert trial.coded_bytes == sum(part.coded_bytes for part in parts)
        assert (trial.encode_s, trial.decode_s) == (len(parts), len(parts))
    assert [trial.error for trial in trials if trial.error is not None] == [0.25]
    assert trials[-1].error == 0.25
    for cut, trial in zip(cuts, trials[::2], strict=False):
        assert trial.raw_bytes == cut.up_bytes


@pytest.mark.parametrize("most_bytes", [1, 10**9])
def test_sizes_of_all_tensors_are_those_that_the_codec_makes(
    tmp_path: Path, most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", most_bytes)
    store, feeds = opened(multi_io_model(tmp_path))
    sizes = coded_sizes(store, ("zstd", "int8"), feeds)
    assert list(sizes) == ["zstd", "int8"]
    assert all(set(names) == store.model.crossable for names in sizes.values())
    cuts = single_tensor_cuts(store.model)
    for name, array in crossing_arrays(store, cuts, feeds).items():
        for codec, found in sizes.items():
            assert found[name] == encode_tensor(codec, array)[1].size_bytes
