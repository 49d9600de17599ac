"""Every family on two seeds: 0 and 1, or two that stand for small networks where those are large."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from benchmarks.families import FAMILIES, family_model
from tests.models import random_feeds, run_whole

from partway.errors import InputError
from partway.graph.macs import count_macs

LIGHT_SEEDS = {
    "alexnet": (4, 10),
    "bert": (1, 10),
    "convnext": (2, 4),
    "deeplab": (6, 7),
    "densenet": (5, 11),
    "efficientnet": (10, 9),
    "gpt": (9, 2),
    "inception_v3": (9, 0),
    "lstm_tagger": (7, 4),
    "mlp_mixer": (1, 3),
    "mnasnet": (7, 3),
    "resnet_basic": (5, 6),
    "resnet_bottleneck": (8, 4),
    "resnext": (7, 9),
    "se_resnet": (7, 3),
    "vgg": (8, 10),
    "vit": (8, 9),
    "wide_resnet": (10, 6),
    "yolo": (5, 6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models of one family."""

    name: str
    seeds: tuple[int, int]
    paths: tuple[Path, Path]


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, seeds = tmp_path_factory.mktemp(request.param), LIGHT_SEEDS.get(request.param, (0, 1))
    first, second = (family_model(request.param, seed, folder) for seed in seeds)
    yield Pair(name=request.param, seeds=seeds, paths=(first, second))
    for path in (first, second):
        path.unlink()


def shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def architecture(path: Path) -> list[str]:
    """Everything that a model is but the values of its weights: those would differ in any case."""
    graph = onnx.load(path).graph
    stored = [f"{tensor.name} {tensor.data_type} {tuple(tensor.dims)}" for tensor in graph.initializer]
    return [*stored, *(str(item) for item in (*graph.input, *graph.node))]


def macs(path: Path) -> int:
    """Multiply-accumulates of a model as its file has it."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes |= {value.name: shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    return sum(
        count_macs(node.op_type, [shapes.get(name) for name in node.input], shapes.get(node.output[0]))
        for node in graph.node
    )


def test_models_are_valid(pair: Pair) -> None:
    for path in pair.paths:
        onnx.checker.check_model(path, full_check=True)


def test_answers_have_the_declared_shapes_are_finite_and_depend_on_the_inputs(pair: Pair) -> None:
    for path in pair.paths:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        answers, others = (session.run(None, random_feeds(path, seed=seed)) for seed in (0, 1))
        for declared, output, other in zip(session.get_outputs(), answers, others, strict=True):
            assert list(output.shape) == declared.shape
            assert np.all(np.isfinite(output))
            assert np.ptp(output) > 0 or (output.size == 1 and output != 0)
            assert not np.array_equal(output, other)


def test_models_are_light_enough_for_one_core(pair: Pair) -> None:
    for path in pair.paths:
        assert 1e5 <= macs(path) <= 5e9
        assert path.stat().st_size < 100e6


def test_a_seed_gives_the_same_bytes(pair: Pair, tmp_path: Path) -> None:
    assert family_model(pair.name, pair.seeds[0], tmp_path).read_bytes() == pair.paths[0].read_bytes()


def test_another_seed_gives_another_architecture(pair: Pair) -> None:
    first, second = (architecture(path) for path in pair.paths)
    assert first != second


def test_a_file_already_there_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ds_cnn-3.onnx"
    path.write_bytes(b"whatever")
    assert family_model("ds_cnn", 3, tmp_path) == path
    assert path.read_bytes() == b"whatever"


def test_an_unknown_family_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'resnet' is no family.*resnet_basic.*siamese"):
        family_model("resnet", 0, tmp_path)


def test_siamese_branches_share_their_weights(tmp_path: Path) -> None:
    path = family_model("siamese", 5, tmp_path)
    one, other = random_feeds(path).values()
    (there,) = run_whole(path, {"input_0": one, "input_1": other}).values()
    (back,) = run_whole(path, {"input_0": other, "input_1": one}).values()
    np.testing.assert_array_equal(there, back)
