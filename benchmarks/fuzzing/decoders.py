"""Mutated messages against the decoders and codecs of this process.

Input: how many. Output: a `Tally` of each target: how inputs ended, the slowest, and the most that one allocated.
"""

import contextlib
import signal
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType

import numpy as np
from benchmarks.fuzzing.grammar import Grammar
from benchmarks.fuzzing.messages import cost_requests, requests, responses, rest_requests
from benchmarks.fuzzing.mutation import Mutator

from partway.codecs import Coded, available_codecs, codec_named, decode_tensor, encode_tensor
from partway.errors import PartwayError
from partway.wire import (
    Limits,
    decode_cost_answer,
    decode_cost_query,
    decode_load,
    decode_request,
    decode_response,
    decode_rest_request,
)
from partway.wire.head import peek_request

LIMITS = Limits(message_bytes=2**20, typed_bytes=2**18)
HANG_S = 5.0
_MEASURED_EVERY = 50  # tracing allocations makes an input several times slower
_FIXED_BYTES = 2**20
_BYTES_PER_BYTE = 64  # JSON and typed contents become Python numbers before they become arrays
_SHAPE = (4, 8, 8)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the inputs of one target.

    Attributes:
        target: its name.
        inputs: how many there were.
        endings: how many were accepted, and refused by which error.
        broken: inputs, in hexadecimal, that ended in an error that is no refusal, with the error.
        hung: inputs that took longer than `HANG_S`.
        slowest_s: the longest that any took.
        measured: inputs whose allocations were traced.
        most_bytes: the most that one of them allocated.
        over: inputs that allocated more than a megabyte and 64 times their length.
        places: different places in the source at which inputs were refused.
    """

    target: str
    inputs: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    hung: int = 0
    slowest_s: float = 0.0
    measured: int = 0
    most_bytes: int = 0
    over: int = 0
    places: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing broke, hung or allocated too much."""
        return not (self.broken or self.hung or self.over)


class _Hung(BaseException):
    pass


Target = Callable[[bytes], object]


def _ask_costs(content: bytes) -> object:
    return decode_cost_query(decode_request(content, LIMITS))


def _read_answer(content: bytes) -> object:
    response = decode_response(content, LIMITS)
    decode_load(response.parameters)
    return decode_cost_answer(response, cuts=2)


def _read_rest(content: bytes) -> object:
    # The first bytes stand for the header that says how long the JSON is.
    header, _, body = content.partition(b"\n")
    return decode_rest_request(
        body, None if header == b"-" else header.decode("latin-1"), model_name="model", limits=LIMITS
    )


def _decode_coded(content: bytes) -> object:
    # codec, parameters, then what travelled: as much of a tensor's own message as its codec sees.
    names = available_codecs()
    codec = codec_named(names[content[0] % len(names)]) if content else codec_named("raw")
    numbers = struct.unpack("<ddq", content[1:25].ljust(24, b"\x00"))
    kinds: tuple[np.dtype, ...] = (np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.float16), np.dtype(np.float32))
    kind = kinds[content[25] % len(kinds)] if len(content) > 25 else kinds[0]
    body = content[26:]
    array = np.frombuffer(body[: len(body) // kind.itemsize * kind.itemsize], kind)
    if array.size == np.prod(_SHAPE) and len(content) > 25 and content[25] & 0x80:
        array = array.reshape(_SHAPE)
    parameters = {"partway.scale": numbers[0], "partway.offset": numbers[1], "partway.steps": numbers[2]}
    return decode_tensor(
        codec.name, Coded(array=array, parameters=parameters), dtype=np.dtype(np.float32), shape=_SHAPE
    )


def _coded_seeds() -> list[bytes]:
    array = np.random.default_rng(0).standard_normal(_SHAPE).astype(np.float32)
    seeds = []
    for index, name in enumerate(available_codecs()):
        _, coded = encode_tensor(name, np.maximum(array, 0.0))
        numbers = [coded.parameters.get(key, 0) for key in ("partway.scale", "partway.offset", "partway.steps")]
        packed = struct.pack("<ddq", *(float(n) if isinstance(n, int | float) else 0.0 for n in numbers[:2]), 255)
        seeds.append(bytes([index]) + packed + b"\x00" + np.ascontiguousarray(coded.array).tobytes())
    return seeds


def fuzz_decoders(inputs: int, *, seed: int, progress: Callable[[int], None]) -> list[Tally]:
    """Try inputs on every decoder, a like share each.

    Args:
        inputs: of them all.
        seed: of the mutations.
        progress: told how many were tried.
    """
    grammar = Grammar(np.random.default_rng((seed, len("grammar"))))
    targets: dict[str, tuple[Target, list[bytes], Callable[[], bytes] | None]] = {
        "gRPC request": (lambda content: decode_request(content, LIMITS), requests(), grammar.grpc_request),
        "gRPC request's head": (lambda content: peek_request(content, LIMITS), requests(), grammar.grpc_request),
        "gRPC answer": (_read_answer, responses(), None),
        "cost query": (_ask_costs, cost_requests(), grammar.grpc_request),
        "REST request": (_read_rest, rest_requests(), grammar.rest_request),
        "coded tensor": (_decode_coded, _coded_seeds(), None),
    }
    tallies = []
    done = 0
    with _alarm():
        for number, (name, (target, seeds, write)) in enumerate(targets.items()):
            share = inputs // len(targets) + (number < inputs % len(targets))
            mutator = Mutator(seeds, np.random.default_rng((seed, number)), write)
            tallies.append(_fuzz(name, target, mutator, share, partial(_tell, progress, done)))
            done += share
    return tallies


def _tell(progress: Callable[[int], None], before: int, tried: int) -> None:
    progress(before + tried)


def fuzz_one(target: Callable[[bytes], object], seeds: Sequence[bytes], inputs: int, *, seed: int) -> Tally:
    """Try inputs on one target.

    Args:
        target: takes an input, and refuses what it does not like with one of our errors.
        seeds: valid inputs.
        inputs: how many to try.
        seed: of the mutations.
    """
    with _alarm():
        return _fuzz("one", target, Mutator(seeds, np.random.default_rng(seed)), inputs, lambda _tried: None)


def _fuzz(name: str, target: Target, mutator: Mutator, inputs: int, progress: Callable[[int], None]) -> Tally:
    tally = Tally(target=name)
    for index in range(inputs):
        _try(target, mutator, tally, measured=index % _MEASURED_EVERY == 0)
        if index % 1000 == 0:
            progress(index)
    tally.places = mutator.seen
    return tally


def _try(target: Target, mutator: Mutator, tally: Tally, *, measured: bool) -> None:
    content = mutator.make()
    tally.inputs += 1
    if measured:
        tracemalloc.start()
    start_s = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    ending, place = "accepted", ""
    try:
        target(content)
    except PartwayError as error:
        ending, place = type(error).__name__, _place(error)
    except _Hung:
        ending = "hung"
        tally.hung += 1
    except Exception as error:  # noqa: BLE001 - the point: whatever is no refusal is a finding
        ending, place = "broken", _place(error)
        tally.broken.append(f"{type(error).__name__}: {error} on {content.hex()[:2000]}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    took_s = time.perf_counter() - start_s
    if measured:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        tally.measured += 1
        tally.most_bytes = max(tally.most_bytes, peak_bytes)
        tally.over += peak_bytes > _FIXED_BYTES + _BYTES_PER_BYTE * len(content)
    else:
        tally.slowest_s = max(tally.slowest_s, took_s)
    tally.endings[ending] += 1
    mutator.learn(content, (ending, place))


def _place(error: BaseException) -> str:
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join(places[2:])


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _Hung

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
