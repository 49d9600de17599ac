"""Trained models with the kind of input that they were trained for, and what their answers mean.

    ppocr-rec   rendered lines of text       the text read
    ppocr-cls   lines, some upside down      which they are
    ppocr-det   a page of such lines         a map of where text is
    opennsfw    a photograph and a page      the class
    magika      files of this project        the kind of file

Input: the packages of `requirements/models.txt`, Pillow, and the photograph that matplotlib carries. Output: models,
feeds and answers. Called by `benchmarks.coding`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image
from tests.models import RealModel, real_models

from partway.cli.demo_models import read_characters
from partway.cli.demo_page import Page, decode, render_page

Feeds = Mapping[str, np.ndarray]

_ROOT = Path(__file__).parent.parent
_LINES = 12
_PAGE_ROWS, _PAGE_COLUMNS = 16, 4  # 768 x 768: PP-OCR's configuration wants sides of 736 or more
_GRAIN_LEVELS = 3.0  # standard deviation of a scan's noise; paper of one colour would compress to nothing
_LEVEL = 2.0 / 255.0  # between two levels of a pixel, as PP-OCR scales them
_FILES = {"README.md": "markdown", "pyproject.toml": "toml", "src/partway/errors.py": "python", "Makefile": "makefile"}
_MAGIKA_ENDS, _MAGIKA_PADDING = 1024, 256  # Source: beg_size, end_size and padding_token of its configuration
_NSFW_MEAN = (104.0, 117.0, 123.0)  # Source: Yahoo's open_nsfw, classify_nsfw.py: blue, green, red


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A model at its work.

    Attributes:
        name: of the model.
        path: the file.
        samples: real inputs.
        expected: the right answer to each sample; empty where nobody knows.
        answer: what the outputs mean; None where they are a map and no word.
    """

    name: str
    path: Path
    samples: tuple[Feeds, ...]
    expected: tuple[str, ...] = ()
    answer: Callable[[Feeds], str] | None = None


def tasks() -> Iterator[Task]:
    """Those whose packages are installed."""
    installed = {model.name: model for model in real_models()}
    makers = {"ppocr-rec": _rec, "ppocr-cls": _cls, "ppocr-det": _det, "opennsfw": _nsfw, "magika": _magika}
    generator = np.random.default_rng(4)
    page = render_page(generator)
    grain = generator.normal(0.0, _GRAIN_LEVELS, page.batch.shape).round() * _LEVEL
    page = replace(page, batch=np.clip(page.batch + grain, -1.0, 1.0).astype(np.float32))
    for name, make in makers.items():
        if name in installed:
            yield make(installed[name], page)


def _rec(model: RealModel, page: Page) -> Task:
    characters = read_characters(model.path)

    def read(outputs: Feeds) -> str:
        (scores,) = outputs.values()
        return decode(scores[0].argmax(axis=1), characters)

    upright = np.flatnonzero(~page.turned)[:_LINES]
    return Task(
        name=model.name,
        path=model.path,
        samples=tuple({"x": page.batch[index][None]} for index in upright),
        expected=tuple(page.text[index] for index in upright),
        answer=read,
    )


def _cls(model: RealModel, page: Page) -> Task:
    return Task(
        name=model.name,
        path=model.path,
        samples=tuple({"x": page.batch[index][None]} for index in range(_LINES)),
        expected=tuple("turned" if turned else "upright" for turned in page.turned[:_LINES]),
        answer=lambda outputs: ("upright", "turned")[_top(outputs)],
    )


def _det(model: RealModel, page: Page) -> Task:
    upright = page.batch[~page.turned]
    lines = upright[np.arange(_PAGE_ROWS * _PAGE_COLUMNS) % len(upright)]
    rows = [np.concatenate(tuple(lines[row::_PAGE_ROWS]), axis=2) for row in range(_PAGE_ROWS)]
    return Task(name=model.name, path=model.path, samples=({"x": np.concatenate(rows, axis=1)[None]},))


def _nsfw(model: RealModel, page: Page) -> Task:
    with Image.open(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg") as file:
        photograph = file.convert("RGB")
    sheet = Image.fromarray(page.pixels[:5].reshape(-1, page.pixels.shape[2], 3))
    pictures = (photograph, photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT), sheet)
    return Task(
        name=model.name,
        path=model.path,
        samples=tuple({"input:0": _nsfw_input(picture)} for picture in pictures),
        expected=("safe",) * len(pictures),
        answer=lambda outputs: ("safe", "not safe")[_top(outputs)],
    )


def _nsfw_input(picture: Image.Image) -> np.ndarray:
    # Source: Yahoo's open_nsfw: resized to 256 x 256, the middle 224 x 224 kept.
    middle = np.asarray(picture.resize((256, 256), Image.Resampling.BILINEAR), np.float32)[16:240, 16:240, ::-1]
    centred: np.ndarray = np.ascontiguousarray((middle - np.array(_NSFW_MEAN, np.float32))[None])
    return centred


def _magika(model: RealModel, _page: Page) -> Task:
    labels = json.loads(model.path.with_name("config.min.json").read_text())["target_labels_space"]
    return Task(
        name=model.name,
        path=model.path,
        samples=tuple({"bytes": _magika_input((_ROOT / file).read_bytes())} for file in _FILES),
        expected=tuple(_FILES.values()),
        answer=lambda outputs: str(labels[_top(outputs)]),
    )


def _magika_input(content: bytes) -> np.ndarray:
    # Source: Magika's feature extraction: both ends of the file, white space stripped, padded.
    tokens = np.full(2 * _MAGIKA_ENDS, _MAGIKA_PADDING, np.int32)
    start, end = content.lstrip()[:_MAGIKA_ENDS], content.rstrip()[-_MAGIKA_ENDS:]
    tokens[: len(start)] = list(start)
    tokens[len(tokens) - len(end) :] = list(end)
    return tokens[None]


def _top(outputs: Feeds) -> int:
    (scores,) = outputs.values()
    return int(scores[0].argmax())
