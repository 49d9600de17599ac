"""What codecs do to answers, from end to end.

    head | crossing tensors -> encode -> decode -> tail | compared with the same sessions without a codec

Input: pieces of a model, cuts, names of codecs, sample inputs. Output: checks of whole answers. Called by `partway
check --codec`, `partway plan` and benchmarks; how small and how fast codecs are is in `trials`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.codecs import decode_tensor, encode_tensor, is_lossless
from partway.engine import PieceStore
from partway.errors import InputError
from partway.graph import Cut
from partway.verification.tolerance import difference, has_no_number, is_inexact

Progress = Callable[[int, int], None]
Arrays = Mapping[str, np.ndarray]


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
        same_top: whether the largest element along the last axis that is longer than 1 stayed the same everywhere; None
            where no output is of floats with such an axis.
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
    return is_inexact(array) and array.size > 1


def _same_top(array: np.ndarray, other: np.ndarray) -> bool:
    # A codec may change a shape where outputs depend on values, as lists of what was found do.
    same = array.shape == other.shape
    if not same:
        return False
    axis = max(axis for axis, length in enumerate(array.shape) if length > 1)
    return bool(np.array_equal(array.argmax(axis=axis), other.argmax(axis=axis)))
