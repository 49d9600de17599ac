"""Random models of known families, on which the prediction of latency is validated and tested.

In come a family's name and a seed; out comes an ONNX file of a network that real exporters could have written:
width, depth, resolution, kernels and activations drawn from plausible ranges, weights random, all of it the same
for the same seed. They take no part in fitting.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
from benchmarks.families import attention, convolutional, dense_prediction, mobile, residual, sequence, tabular
from tests.tiny_models import generator, store

from partway.errors import InputError

__all__ = ["FAMILIES", "Family", "family_model"]

Family = Callable[[np.random.Generator], onnx.ModelProto]

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.__name__: family
        for family in (
            residual.resnet_basic,
            residual.resnet_bottleneck,
            residual.wide_resnet,
            residual.resnext,
            residual.se_resnet,
            residual.densenet,
            convolutional.vgg,
            convolutional.alexnet,
            convolutional.squeezenet,
            convolutional.inception_v1,
            convolutional.inception_v3,
            convolutional.tensorflow_cnn,
            mobile.mobilenet_v1,
            mobile.mobilenet_v2,
            mobile.mobilenet_v3,
            mobile.efficientnet,
            mobile.mnasnet,
            mobile.ghostnet,
            mobile.shufflenet_v2,
            dense_prediction.unet,
            dense_prediction.deeplab,
            dense_prediction.yolo,
            dense_prediction.ssd_lite,
            dense_prediction.super_resolution,
            attention.convnext,
            attention.vit,
            attention.mlp_mixer,
            attention.bert,
            attention.gpt,
            sequence.tcn,
            sequence.wavenet,
            sequence.ds_cnn,
            sequence.quartznet,
            sequence.lstm_tagger,
            sequence.bidirectional_gru,
            sequence.crnn,
            tabular.autoencoder,
            tabular.tabular,
            tabular.recommender,
            tabular.siamese,
        )
    }
)


def family_model(name: str, seed: int, folder: Path) -> Path:
    """The network of a family that a seed stands for, as `NAME-SEED.onnx`; a file already there is used as it is.

    Raises:
        InputError: there is no such family.
    """
    if name not in FAMILIES:
        raise InputError(f"{name!r} is no family of models; expected one of {', '.join(FAMILIES)}")
    path = folder / f"{name}-{seed}.onnx"
    return path if path.exists() else store(FAMILIES[name](generator(seed, name)), path)
