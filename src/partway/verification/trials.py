"""What codecs make of the tensors that cuts send: how small, and how fast.

Input: pieces of a model, cuts, names of codecs, inputs. Output: trials of tensors and of cuts. Called by `partway check
--codec`, `partway plan` and benchmarks; what codecs do to answers is in `coding`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec
import numpy as np

from partway.codecs import decode_tensor, encode_tensor
from partway.engine import Clock, PieceStore
from partway.graph import Cut, Model, Piece
from partway.verification.coding import CodedCheck

Arrays = Mapping[str, np.ndarray]

_MOST_BYTES = 256_000_000


class TensorTrial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tensor through one codec on this machine.

    A msgspec record because they are kept.

    Attributes:
        name: of the tensor.
        codec: that was asked for; a tensor that it cannot carry or make smaller goes raw all the same.
        raw_bytes: of the elements; 0 for strings.
        coded_bytes: of what travels, text parameters included.
        encode_s: median seconds.
        decode_s: the same.
    """

    name: str
    codec: str
    raw_bytes: int
    coded_bytes: int
    encode_s: float
    decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecTrial:
    """All that one cut sends through one codec.

    Attributes:
        crossing: the tensors.
        codec: for all of them.
        raw_bytes: of them together.
        coded_bytes: of what travels in their place.
        encode_s: seconds for all.
        decode_s: the same.
        error: largest end-to-end difference as a share of an output's scale; None where nobody ran the tail.
    """

    crossing: tuple[str, ...]
    codec: str
    raw_bytes: int
    coded_bytes: int
    encode_s: float
    decode_s: float
    error: float | None = None


def crossing_arrays(store: PieceStore, cuts: Iterable[Cut], feeds: Arrays) -> dict[str, np.ndarray]:
    """Every tensor that any of these cuts sends, as the model computes it from these inputs.

    Args:
        store: the pieces.
        cuts: of its model.
        feeds: the model's inputs.

    Raises:
        EngineError: the runtime fails.
    """
    wanted = {name for cut in cuts for name in cut.crossing}
    computed = tuple(name for name in store.model.tensors if name in wanted and name not in feeds)
    known = {name: np.asarray(feeds[name]) for name in feeds if name in wanted}
    if computed:
        piece = Piece(inputs=tuple(tensor.name for tensor in store.model.inputs), outputs=computed)
        known |= store.session(piece).run({name: feeds[name] for name in piece.inputs})
    return known


def coded_sizes(store: PieceStore, codecs: Sequence[str], feeds: Arrays) -> dict[str, dict[str, int]]:
    """What each codec makes of every tensor of a model that may cross: bytes by codec and name.

    The model runs once for every few hundred megabytes of tensors, so that they never lie in memory all at once.

    Args:
        store: the pieces; sessions that are needed only here stay in it no longer than others.
        codecs: names.
        feeds: the model's inputs.

    Raises:
        EngineError: the runtime fails.
        InputError: no such codec, or its extra is not installed.
    """
    model = store.model
    found: dict[str, dict[str, int]] = {codec: {} for codec in codecs}
    inputs = tuple(tensor.name for tensor in model.inputs)
    waiting = [name for name in model.tensors if name in model.crossable and name not in inputs]
    arrays: dict[str, np.ndarray] = {name: np.asarray(feeds[name]) for name in inputs if name in model.crossable}
    while arrays or waiting:
        for name, array in arrays.items():
            for codec in codecs:
                found[codec][name] = encode_tensor(codec, array)[1].size_bytes
        chosen = _some(model, waiting)
        waiting = waiting[len(chosen) :]
        arrays = {}
        if chosen:
            piece = Piece(inputs=inputs, outputs=chosen)
            arrays = dict(store.session(piece).run({name: feeds[name] for name in inputs}))
    return found


def _some(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    chosen: list[str] = []
    total_bytes = 0
    for name in names:
        total_bytes += model.tensors[name].size_bytes or 0
        if chosen and total_bytes > _MOST_BYTES:
            break
        chosen.append(name)
    return tuple(chosen)


def measure_codecs(
    arrays: Arrays, codecs: Sequence[str], *, clock: Clock = time.perf_counter, rounds: int = 5
) -> tuple[TensorTrial, ...]:
    """Size and seconds of every tensor under every codec, for each tensor in the codecs' order.

    Rounds go over everything in turn, so that whatever disturbs the machine disturbs all alike.

    Args:
        arrays: real activations by tensor name.
        codecs: names.
        clock: seconds, monotonic.
        rounds: timed ones, at least 1; one before them is not timed.

    Raises:
        InputError: no such codec, or its extra is not installed.
    """
    keys = [(name, codec) for name in arrays for codec in codecs]
    times_s: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in keys}
    sizes: dict[tuple[str, str], int] = {}
    for turn in range(rounds + 1):
        for name, codec in keys:
            array = arrays[name]
            start_s = clock()
            used, coded = encode_tensor(codec, array)
            between_s = clock()
            decode_tensor(used, coded, dtype=array.dtype, shape=array.shape)
            end_s = clock()
            sizes[name, codec] = coded.size_bytes
            if turn:
                times_s[name, codec].append((between_s - start_s, end_s - between_s))
    return tuple(
        TensorTrial(
            name=name,
            codec=codec,
            raw_bytes=0 if arrays[name].dtype.hasobject else arrays[name].nbytes,
            coded_bytes=sizes[name, codec],
            encode_s=median(encode_s for encode_s, _ in times_s[name, codec]),
            decode_s=median(decode_s for _, decode_s in times_s[name, codec]),
        )
        for name, codec in keys
    )


def cut_trials(
    cuts: Iterable[Cut], tensors: Sequence[TensorTrial], checks: Iterable[CodedCheck] = ()
) -> tuple[CodecTrial, ...]:
    """What each cut's tensors come to under each codec, for each cut in the codecs' order.

    Args:
        cuts: of one model; device-only is left out.
        tensors: trials of at least every tensor that these cuts send, each under every codec.
        checks: of whole answers, for the errors; cuts that were not checked have none.
    """
    codecs = tuple(dict.fromkeys(trial.codec for trial in tensors))
    found = {(trial.name, trial.codec): trial for trial in tensors}
    errors = {(check.crossing, check.codec): check.error for check in checks}
    trials = []
    for cut in cuts:
        for codec in codecs if cut.offloaded else ():
            parts = [found[name, codec] for name in cut.crossing]
            trials.append(
                CodecTrial(
                    crossing=cut.crossing,
                    codec=codec,
                    raw_bytes=sum(part.raw_bytes for part in parts),
                    coded_bytes=sum(part.coded_bytes for part in parts),
                    encode_s=sum(part.encode_s for part in parts),
                    decode_s=sum(part.decode_s for part in parts),
                    error=errors.get((cut.crossing, codec)),
                )
            )
    return tuple(trials)
