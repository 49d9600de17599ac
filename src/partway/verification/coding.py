"""What codecs make of the tensors that cuts send: how small, how fast, and how far off the answer ends up.

    head | crossing tensors -> encode -> decode -> tail | compared with the same sessions without a codec

Input: pieces of a model, cuts, names of codecs, sample inputs. Output: trials of tensors and of cuts, and checks of
whole answers. Called by `partway check --codec`, `partway plan` and benchmarks.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec
import numpy as np

from partway.codecs import decode_tensor, encode_tensor, is_lossless
from partway.engine import Clock, PieceStore
from partway.errors import InputError
from partway.graph import Cut, Piece
from partway.verification.tolerance import difference, has_no_number, is_inexact

Progress = Callable[[int, int], None]
Arrays = Mapping[str, np.ndarray]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedCheck:
    """The answers of one cut through one codec, beside those of the same cut without.

    Attributes:
        crossing: the tensors that crossed.
        codec: that they crossed under.
        lossless: whether that codec promises every bit.
        error: largest difference over all samples and outputs, as a share of the output's scale; infinite where
            integers, booleans or strings differ, and for a lossy codec where a sample's answer has no finite number, so
            that nothing is proved.
        bit_equal: whether every answer was the same to the bit.
        deterministic: whether the runtime gives the same bits twice without any codec.
        same_top: whether the largest element along the last axis stayed the same everywhere; None where no output is
            of floats with a last axis longer than 1.
    """

    crossing: tuple[str, ...]
    codec: str
    lossless: bool
    error: float
    bit_equal: bool
    deterministic: bool
    same_top: bool | None

    @property
    def broken(self) -> bool:
        """Whether a promise of every bit was not kept, and the runtime is not to blame."""
        return self.lossless and self.deterministic and not self.bit_equal


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


def run_coded(store: PieceStore, cut: Cut, feeds: Arrays, codec: str) -> dict[str, np.ndarray]:
    """The model's outputs, computed as head, codec and tail.

    Args:
        store: the pieces.
        cut: where to cut.
        feeds: the model's inputs.
        codec: name of what the crossing tensors go through.
    """
    known = _run_head(store, cut, feeds)
    if cut.tail is not None:
        known |= _run_tail(store, cut, _through(codec, known, cut.tail.inputs))
    return {tensor.name: known[tensor.name] for tensor in store.model.outputs}


def check_codecs(
    store: PieceStore,
    cuts: Iterable[Cut],
    codecs: Sequence[str],
    samples: Sequence[Arrays],
    *,
    progress: Progress = lambda _done, _total: None,
) -> tuple[CodedCheck, ...]:
    """Run every cut with and without every codec and compare the answers, for each cut in the codecs' order.

    The head runs once a sample, so that all that can differ is what the codec did; the tail runs twice without a
    codec, to know whether the runtime repeats itself.

    Args:
        store: the pieces.
        cuts: of its model; device-only is left out.
        codecs: names.
        samples: inputs of the model, at least one set.
        progress: told how many of how many cuts are done.

    Raises:
        InputError: there are no samples, no such codec, or its extra is not installed.
        EngineError: the runtime fails.
    """
    if not samples:
        raise InputError("no sample inputs were given to check codecs with; give at least one set")
    offloaded = [cut for cut in cuts if cut.offloaded]
    checks: list[CodedCheck] = []
    for done, cut in enumerate(offloaded):
        progress(done, len(offloaded))
        by_sample = [_check_sample(store, cut, codecs, feeds) for feeds in samples]
        checks.extend(_worst(found) for found in zip(*by_sample, strict=True))
    progress(len(offloaded), len(offloaded))
    return tuple(checks)


def _check_sample(store: PieceStore, cut: Cut, codecs: Sequence[str], feeds: Arrays) -> tuple[CodedCheck, ...]:
    known = _run_head(store, cut, feeds)
    sent = {name: known[name] for name in cut.crossing}
    reference = _run_tail(store, cut, sent)
    again = _run_tail(store, cut, sent)
    deterministic = _same_bits(reference, again)
    inexact = [array for array in reference.values() if is_inexact(array)]
    silent = bool(inexact) and all(has_no_number(array) for array in inexact)
    checks = []
    for codec in codecs:
        answer = _run_tail(store, cut, _through(codec, sent, cut.crossing))
        tops = [_same_top(array, answer[name]) for name, array in reference.items() if _has_top(array)]
        checks.append(
            CodedCheck(
                crossing=cut.crossing,
                codec=codec,
                lossless=is_lossless((codec,)),
                error=math.inf if silent and not is_lossless((codec,)) else _error(reference, answer),
                bit_equal=_same_bits(reference, answer),
                deterministic=deterministic,
                same_top=all(tops) if tops else None,
            )
        )
    return tuple(checks)


def _error(reference: Arrays, answer: Arrays) -> float:
    return max((difference(array, answer[name]).relative for name, array in reference.items()), default=0.0)


def _worst(samples: Sequence[CodedCheck]) -> CodedCheck:
    first = samples[0]
    tops = [sample.same_top for sample in samples if sample.same_top is not None]
    return CodedCheck(
        crossing=first.crossing,
        codec=first.codec,
        lossless=first.lossless,
        error=max(sample.error for sample in samples),
        bit_equal=all(sample.bit_equal for sample in samples),
        deterministic=all(sample.deterministic for sample in samples),
        same_top=all(tops) if tops else None,
    )


def _run_head(store: PieceStore, cut: Cut, feeds: Arrays) -> dict[str, np.ndarray]:
    known = dict(feeds)
    if cut.head is not None:
        known |= store.session(cut.head).run({name: known[name] for name in cut.head.inputs})
    return known


def _run_tail(store: PieceStore, cut: Cut, sent: Arrays) -> dict[str, np.ndarray]:
    return store.session(cut.tail).run(sent) if cut.tail is not None else {}


def _through(codec: str, arrays: Arrays, names: Iterable[str]) -> dict[str, np.ndarray]:
    received = {}
    for name in names:
        array = np.asarray(arrays[name])
        used, coded = encode_tensor(codec, array)
        received[name] = decode_tensor(used, coded, dtype=array.dtype, shape=array.shape)
    return received


def _same_bits(reference: Arrays, answer: Arrays) -> bool:
    return all(_equal(array, answer[name]) for name, array in reference.items())


def _equal(array: np.ndarray, other: np.ndarray) -> bool:
    if array.shape != other.shape or array.dtype != other.dtype:
        return False
    return bool(np.array_equal(array, other)) if array.dtype.hasobject else array.tobytes() == other.tobytes()


def _has_top(array: np.ndarray) -> bool:
    return is_inexact(array) and array.ndim > 0 and array.shape[-1] > 1 and array.size > 0


def _same_top(array: np.ndarray, other: np.ndarray) -> bool:
    # A codec may change a shape where outputs depend on values, as lists of what was found do.
    same = array.shape == other.shape
    return same and bool(np.array_equal(array.argmax(axis=-1), other.argmax(axis=-1)))
