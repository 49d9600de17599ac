"""The authors' times are of the layers that the zoo has, but where the document says how they differ."""

import itertools
import math

import msgspec
import pytest

from partway.documents import decode_document, encode_document
from partway.errors import DocumentError, InputError
from partway.studies.layer_times import LayerTimes, NetworkTimes, file_network, filed_networks, layer_times
from partway.zoo import PAPER_NETWORKS, paper_network

# Totals in milliseconds on CPU, GPU and K40, added up from the files by hand.
TOTALS_MS = {"alexnet": (380.4079, 81.7912, 5.3926), "deepface": (708.0171, 150.4689, 16.8349)}
OTHERS = {"alexnet": {"norm1", "norm2"}, "deepface": {"fc8", "prob", "argmax"}}


def times_of(network: str) -> NetworkTimes:
    return filed_networks()[network].times


def test_the_document_is_one_of_its_kind_and_names_where_each_number_is_from() -> None:
    times = layer_times()
    assert decode_document(encode_document(times), LayerTimes) == times
    assert all(len(file.commit) == 40 and not file.path.startswith("/") for file in times.files)
    with pytest.raises(DocumentError, match=r"'partway.layer-times'"):
        decode_document(encode_document(times).replace(b"cpu_w", b"watts"), LayerTimes)


@pytest.mark.parametrize("digits", [100, 10])
def test_every_layer_is_the_zoos_but_for_those_that_are_known_to_differ(digits: int) -> None:
    assert tuple(filed_networks(digits)) == PAPER_NETWORKS
    for name, filed in filed_networks(digits).items():
        zoo = {layer.name: layer for layer in paper_network(name, filed.times.queries).layers}
        assert {layer.name for layer in filed.network.layers if zoo[layer.name] != layer} == OTHERS.get(name, set())
        for layer, measured in zip(filed.network.layers, filed.times.layers, strict=True):
            assert math.prod(layer.output_shape) == measured.output_elements
        for seconds in filed.seconds.values():
            assert len(seconds) == len(filed.network.layers)
    assert filed_networks(digits)["mnist"].network.queries == digits


def test_layers_follow_each_other_in_the_order_of_the_files() -> None:
    for filed in filed_networks().values():
        layers = filed.network.layers
        for before, layer in itertools.pairwise(layers):
            assert math.prod(before.output_shape) == math.prod(layer.input_shapes[0]), layer.name


def test_layers_that_differ_have_the_sizes_of_the_files() -> None:
    layers = {layer.name: layer for layer in filed_networks()["alexnet"].network.layers}
    assert layers["norm1"].output_shape == layers["pool1"].output_shape
    assert layers["norm1"].output_bytes == 4 * 69_984
    fc8 = filed_networks()["deepface"].network.layers[-3]
    assert (fc8.output_shape, fc8.macs, fc8.weight_bytes) == ((1, 83), 4096 * 83, 4 * 83 * 4097)


@pytest.mark.parametrize("network", TOTALS_MS)
def test_totals_are_those_of_the_files(network: str) -> None:
    totals_ms = [1e3 * float(seconds.sum()) for seconds in filed_networks()[network].seconds.values()]
    assert totals_ms == pytest.approx(TOTALS_MS[network], abs=1e-4)


def test_times_that_do_not_fit_a_network_are_refused() -> None:
    times = times_of("senna-pos")
    first, *others = times.layers
    for changed, words in (
        ({"input_elements": 1}, "takes 8400 numbers; its times are of 1"),
        ({"layers": tuple(others)}, "lack fc1"),
        ({"layers": (first, first, *others)}, "no layer fc1 more"),
        ({"layers": (first, msgspec.structs.replace(others[0], output_elements=7), others[1])}, "htanh makes 8400"),
    ):
        with pytest.raises(InputError, match=words):
            file_network(msgspec.structs.replace(times, **changed))


@pytest.mark.parametrize("wrong", [{"tesla_k40_s": 0.0}, {"jetson_tk1_cpu_s": math.inf}, {"output_elements": 0}])
def test_times_that_no_layer_has_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="fc1"):
        msgspec.structs.replace(times_of("senna-pos").layers[0], **wrong)
