"""What the paper's authors measured of every layer, as they filed it with DjiNN, beside the zoo's layers.

    measured/djinn-layers.json ──> LayerTimes ─┐
                                               ├──> FiledNetwork: the zoo's layers as the files have them, and seconds
    partway.zoo.paper_network ─────────────────┘

Two networks differ from the zoo's, and are taken as the files have them: AlexNet pools before it normalises, and
DeepFace ends in 83 classes. Everything else is the same, which is checked layer by layer. Input: the document that
ships. Output: networks with seconds. Called by the study of these times, and by those that only want the server's.

Source: claritylab/djinn, graph-gen/offloading; the document names each file with its commit. Numbers alone are taken.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import ClassVar

import msgspec
import numpy as np

from partway.documents import Document, decode_document
from partway.errors import InputError
from partway.prediction.physical import FloatArray
from partway.studies.hardware import DEVICE_NAMES, SERVER_NAME
from partway.zoo import Layer, PaperNetwork, paper_network

_FLOAT_BYTES = 4
_FIELDS: Mapping[str, str] = MappingProxyType(
    {name: f"{name.replace('-', '_')}_s" for name in (*DEVICE_NAMES, SERVER_NAME)}
)


class SourceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that numbers were taken from.

    Attributes:
        path: below the document's folder.
        commit: that was read.
        holds: what it says.
    """

    path: str
    commit: str
    holds: str


class Uplink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate in the authors' program.

    Attributes:
        link: as the paper names it.
        uplink_bytes_per_s: > 0.
    """

    link: str
    uplink_bytes_per_s: float


class LayerTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer, measured on three machines.

    Attributes:
        layer: the zoo's name.
        filed_as: that in the files.
        output_elements: numbers that it makes for one query, > 0.
        jetson_tk1_cpu_s: seconds on the device's CPU, > 0.
        jetson_tk1_gpu_s: on its GPU.
        tesla_k40_s: on the server.

    Raises:
        InputError: a number makes no sense.
    """

    layer: str
    filed_as: str
    output_elements: int
    jetson_tk1_cpu_s: float
    jetson_tk1_gpu_s: float
    tesla_k40_s: float

    def __post_init__(self) -> None:
        """Refuse times and sizes that no layer has."""
        for name in _FIELDS.values():
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} of {self.layer} is {getattr(self, name):g}; it must be finite and above 0")
        if self.output_elements < 1:
            raise InputError(f"{self.layer} makes {self.output_elements} numbers; a layer makes at least 1")


class NetworkTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network for one query.

    Attributes:
        network: the zoo's name.
        filed_as: that in the files.
        queries: items in a query.
        matched: how its layers were told to be the zoo's.
        input_elements: numbers in a query.
        cpu_w: of the device while its CPU runs this network.
        gpu_w: of it while its GPU does.
        layers: in the order of the files.
    """

    network: str
    filed_as: str
    queries: int
    matched: str
    input_elements: int
    cpu_w: float
    gpu_w: float
    layers: tuple[LayerTime, ...]


class LayerTimes(Document, frozen=True, kw_only=True):
    """What is stored of all measured layers.

    Attributes:
        description: what this is.
        repository: where the files lie.
        folder: in it.
        licence: under which, and what was taken.
        files: that numbers are from.
        uplinks: of the authors' program.
        networks: the eight, MNIST for two sizes of a query.
    """

    kind: ClassVar[str] = "partway.layer-times"
    version: ClassVar[int] = 1

    description: str
    repository: str
    folder: str
    licence: str
    files: tuple[SourceFile, ...]
    uplinks: tuple[Uplink, ...]
    networks: tuple[NetworkTimes, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FiledNetwork:
    """A network of the zoo as the files have it.

    Attributes:
        network: its layers in the order and with the sizes of the files.
        times: what was measured.
        seconds: of the layers by machine, float64 (layers,) each.
    """

    network: PaperNetwork
    times: NetworkTimes
    seconds: Mapping[str, FloatArray] = field(repr=False)


@cache
def layer_times() -> LayerTimes:
    """The document that ships."""
    file = resources.files("partway.studies").joinpath("measured", "djinn-layers.json")
    return decode_document(file.read_bytes(), LayerTimes, where="the authors' layer times")


@cache
def filed_networks(digits: int = 100) -> Mapping[str, FiledNetwork]:
    """The eight networks by the zoo's name.

    Args:
        digits: in a query of MNIST: 100 or 10, as the files have them.
    """
    own = (times for times in layer_times().networks if times.network != "mnist" or times.queries == digits)
    return MappingProxyType({times.network: file_network(times) for times in own})


def server_seconds() -> dict[str, float]:
    """What a query of each network takes on the server as measured: sums over its layers."""
    return {name: float(filed.seconds[SERVER_NAME].sum()) for name, filed in filed_networks().items()}


def file_network(times: NetworkTimes) -> FiledNetwork:
    """The zoo's network in the order and with the sizes of the files.

    Args:
        times: what was measured of it.

    Raises:
        InputError: the files have another input, or layers that the zoo does not have with these sizes.
    """
    network = paper_network(times.network, times.queries)
    if (elements := math.prod(network.input_shape)) != times.input_elements:
        raise InputError(f"{times.network} takes {elements} numbers; its times are of {times.input_elements}")
    unused, layers, before = {layer.name: layer for layer in network.layers}, list[Layer](), network.layers[0]
    for measured in times.layers:
        if (layer := unused.pop(measured.layer, None)) is None:
            raise InputError(f"{times.network} has no layer {measured.layer} more; its times do not fit it")
        layers.append(_as_filed(layer, before.output_shape if layers else layer.input_shapes[0], measured))
        before = layers[-1]
    if unused:
        raise InputError(f"the times of {times.network} lack {', '.join(unused)}; give all of its layers")
    return FiledNetwork(
        network=replace(network, layers=tuple(layers)),
        times=times,
        seconds={
            machine: np.array([getattr(measured, name) for measured in times.layers])
            for machine, name in _FIELDS.items()
        },
    )


def _as_filed(layer: Layer, input_shape: tuple[int, ...], measured: LayerTime) -> Layer:
    """The layer behind another one, with as many outputs as were measured."""
    output_shape, macs, weight_bytes = layer.output_shape, layer.macs, layer.weight_bytes
    if layer.kind in ("norm", "softmax"):
        output_shape = input_shape
    elif layer.kind == "fc" and measured.output_elements != math.prod(output_shape):
        rows, outputs = output_shape[0], measured.output_elements // output_shape[0]
        inputs = layer.macs // math.prod(output_shape)
        output_shape, macs = (rows, outputs), rows * inputs * outputs
        weight_bytes = _FLOAT_BYTES * outputs * (inputs + 1)
    if math.prod(output_shape) != measured.output_elements:
        raise InputError(
            f"{layer.name} makes {math.prod(output_shape)} numbers; what was measured made {measured.output_elements}"
        )
    if output_shape == layer.output_shape and input_shape == layer.input_shapes[0]:
        return layer
    return replace(
        layer,
        input_shapes=(input_shape,),
        output_shape=output_shape,
        macs=macs,
        weight_bytes=weight_bytes,
        input_bytes=_FLOAT_BYTES * math.prod(input_shape),
        output_bytes=layer.output_bytes // math.prod(layer.output_shape) * math.prod(output_shape),
    )
