"""Scanned lines of seeded text, and what PP-OCR needs to read them: the one place that uses Pillow.

    words -> lines of pixels, some upside down -> one batch -> [which are? wherever that runs] -> turned -> read

Input: a random generator, then the answer about the batch. Output: batches to ask about, and the text that was read.
Called by `partway demo`; importing it needs the `demo` extra.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from partway.engine import Session

LINES = 48
_HEIGHT, _WIDTH = 48, 192  # Source: cls_image_shape of PP-OCR's configuration
_FONT_SIZE, _LEFT, _TOP, _PAPER, _INK = 32, 6, 3, (248, 246, 240), (24, 28, 40)
_TURNED_SHARE = 0.4
_WORDS = (
    "amber", "anchor", "bridge", "candle", "cedar", "copper", "delta", "ember", "falcon", "garden", "harbour",
    "indigo", "jasper", "kettle", "lantern", "marble", "meadow", "nickel", "orchard", "pepper", "quartz", "river",
    "saddle", "timber", "umbrella", "velvet", "willow", "yellow", "zephyr",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Lines cut from one scanned page.

    Attributes:
        text: what was rendered, line by line.
        turned: bool (LINES,), whether the line lies upside down.
        pixels: uint8 (LINES, 48, 192, 3).
        batch: all lines as the models want them, float32 (LINES, 3, 48, 192).
    """

    text: tuple[str, ...]
    turned: np.ndarray
    pixels: np.ndarray
    batch: np.ndarray


def render_page(generator: np.random.Generator) -> Page:
    """Lines of a word and a number each, dark on light, some upside down.

    Args:
        generator: draws the words and what is turned.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    text = tuple(f"{generator.choice(_WORDS)} {generator.integers(100, 1000)}" for _ in range(LINES))
    turned = generator.random(LINES) < _TURNED_SHARE
    pixels = np.empty((LINES, _HEIGHT, _WIDTH, 3), np.uint8)
    for index, line in enumerate(text):
        picture = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
        ImageDraw.Draw(picture).text((_LEFT, _TOP), line, font=font, fill=_INK)
        pixels[index] = _half_turn(np.asarray(picture)) if turned[index] else np.asarray(picture)
    return Page(text=text, turned=turned, pixels=pixels, batch=_normalised(pixels))


class Reader:
    """Reads lines.

    Args:
        session: PP-OCR's recognition, lines (n, 3, 48, width) to scores (n, places, characters + 2).
        characters: what the scores stand for, between the blank and the space.
    """

    def __init__(self, session: Session, characters: Sequence[str]) -> None:
        self._session = session
        self._characters = characters

    def read(self, pixels: np.ndarray, *, turn: bool) -> str:
        """The text of one line.

        Args:
            pixels: uint8 (48, width, 3).
            turn: whether to turn it by half a circle first.
        """
        line = _half_turn(pixels) if turn else pixels
        (scores,) = self._session.run({self._session.inputs[0]: _normalised(line[None])}).values()
        return decode(scores[0].argmax(axis=1), self._characters)


def decode(places: np.ndarray, characters: Sequence[str]) -> str:
    """The text of the best character at each place: repeats merged, blanks dropped.

    Args:
        places: int (places,); 0 is the blank, the last one a space.
        characters: those in between.

    Source: greedy decoding of CTC, Graves et al., ICML 2006, section 3.2.
    """
    alphabet = ("", *characters, " ")
    changed = np.flatnonzero(np.diff(places, prepend=-1))
    return "".join(alphabet[places[index]] for index in changed)


def _half_turn(pixels: np.ndarray) -> np.ndarray:
    return pixels[::-1, ::-1]


def _normalised(pixels: np.ndarray) -> np.ndarray:
    # Source: mean and std of 0.5 in PP-OCR's configuration; it was trained on blue, green, red.
    scaled = (pixels[..., ::-1].astype(np.float32) / 255.0 - 0.5) / 0.5
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
