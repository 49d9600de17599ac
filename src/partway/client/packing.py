"""Crossing tensors as they travel: through a codec where that pays, each with the parameters that undo it.

Input: arrays by name, and a codec's name. Output: tensors of the wire, and what the codec saved and took. Called by
requests before they send, and by background work that learns what codecs do to a model's tensors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.codecs import Coded, available_codecs, codec_named, decode_tensor, encode_tensor, is_lossless
from partway.engine import Clock, Sleep
from partway.errors import InputError
from partway.graph import Cut, Model
from partway.wire import CODEC, RAW, Tensor

_MOST_RUNS = 3
_BUDGET_S = 0.1  # for one codec at one cut; one run always


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What a cut sends.

    Attributes:
        tensors: what travels.
        coded: by name, what a codec made of those that it packed.
        saved_bytes: how many fewer bytes travel than the tensors have.
        encode_s: seconds of encoding.
    """

    tensors: tuple[Tensor, ...]
    coded: Mapping[str, Coded]
    saved_bytes: int
    encode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """What one codec does to the crossing tensors of one cut.

    Attributes:
        codec: its name.
        up_bytes: what travels.
        encode_s: seconds on this device.
        decode_s: seconds on the server: an estimate, namely what this machine itself takes.
    """

    codec: str
    up_bytes: int
    encode_s: float
    decode_s: float


class Packer:
    """Packs tensors, as slowly as an emulated device would.

    Args:
        slowdown: of that device, else 1.
        clock: seconds, monotonic.
        sleep: waits for seconds.
    """

    def __init__(self, *, slowdown: float, clock: Clock, sleep: Sleep) -> None:
        self._slowdown = slowdown
        self._clock = clock
        self._sleep = sleep

    def pack(self, model: Model, codec: str, arrays: Mapping[str, np.ndarray]) -> Packed:
        """The tensors as they travel; each stays raw where the codec refuses it or saves nothing.

        Args:
            model: the canonical graph; what has not the shape that it says stays raw, since no server could decode it.
            codec: a codec's name.
            arrays: the crossing tensors.

        Raises:
            InputError: no such codec here.
        """
        if codec == RAW:
            tensors = tuple(Tensor(name=name, array=array) for name, array in arrays.items())
            return Packed(tensors=tensors, coded={}, saved_bytes=0, encode_s=0.0)
        packed = self._encode(model, codec, arrays)
        self._sleep((self._slowdown - 1.0) * packed.encode_s)
        return packed

    def measure(
        self, model: Model, cut: Cut, codec: str, arrays: Mapping[str, np.ndarray], *, turn: Callable[[], object]
    ) -> Coding:
        """What a codec does to real tensors of a cut, in a tenth of a second or one run; the fastest run counts.

        Args:
            model: the canonical graph.
            cut: whose tensors they are.
            codec: a codec's name.
            arrays: the crossing tensors.
            turn: called before each run; returns when it may begin.

        Raises:
            InputError: no such codec here.
        """
        encode_s: list[float] = []
        decode_s: list[float] = []
        while not encode_s or (len(encode_s) < _MOST_RUNS and sum(encode_s) + sum(decode_s) < _BUDGET_S):
            turn()
            packed = self._encode(model, codec, arrays)
            encode_s.append(packed.encode_s)
            start_s = self._clock()
            for name, coded in packed.coded.items():
                decode_tensor(codec, coded, dtype=arrays[name].dtype, shape=arrays[name].shape)
            decode_s.append(self._clock() - start_s)
        return Coding(
            codec=codec,
            up_bytes=max(0, cut.up_bytes - packed.saved_bytes),
            encode_s=self._slowdown * min(encode_s),
            decode_s=min(decode_s),
        )

    def _encode(self, model: Model, codec: str, arrays: Mapping[str, np.ndarray]) -> Packed:
        start_s = self._clock()
        tensors: list[Tensor] = []
        packed: dict[str, Coded] = {}
        for name, array in arrays.items():
            used, coded = RAW, Coded(array=array)
            if model.tensors[name].static_shape == array.shape:
                used, coded = encode_tensor(codec, array)
            if used == RAW:
                tensors.append(Tensor(name=name, array=array))
                continue
            packed[name] = coded
            tensors.append(Tensor(name=name, array=coded.array, parameters={CODEC: used, **coded.parameters}))
        return Packed(
            tensors=tuple(tensors),
            coded=packed,
            saved_bytes=sum(arrays[name].nbytes - coded.size_bytes for name, coded in packed.items()),
            encode_s=self._clock() - start_s,
        )


def lossless_codecs(names: Sequence[str] | None) -> tuple[str, ...]:
    """The codecs that may be used where nobody measured what a lossy one does to the answers.

    Args:
        names: those that are wanted; None for all lossless ones that are installed.

    Raises:
        InputError: one is unknown, its extra is missing, or it is lossy.
    """
    if names is None:
        return tuple(name for name in available_codecs() if is_lossless((name,)))
    for name in names:
        if not codec_named(name).lossless:
            raise InputError(
                f"codec {name!r} changes answers, and nothing says by how much; give lossless ones, such as 'zstd', "
                "or a plan whose error was checked"
            )
    return tuple(dict.fromkeys(names))
