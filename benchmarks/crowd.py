"""Many clients at once, in processes of their own: each asks, reads the answer, thinks, and asks again.

    questions -> [ client | client | ... ] per process, a connection each -> server
                          every answer checked -> answers and errors of every client

Questions are requests for the rest of a model from some cut on, encoded once; several inputs, so that an answer that
went to the wrong client would be noticed. Input: questions, and how long clients think. Output: a `Tally` a client.
Called by `benchmarks.soak`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import numpy as np
from benchmarks.cores import child
from benchmarks.load_generator import bearer, open_channel

from partway.engine import OrtRuntime, PieceStore
from partway.errors import WireError
from partway.graph import Cache, Source, candidate_cuts, canonicalise
from partway.verification import tolerance_of
from partway.wire import BINDING, DIGEST, InferRequest, Method, Tensor, decode_response, encode_request

_PATIENCE_S = 30.0
_AFTER_ERROR_S = 0.2
WRONG, DAMAGED = "WRONG", "DAMAGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request and its right answer.

    Attributes:
        model: that is asked.
        crossing: what is sent.
        content: the request's bytes.
        output: name of the answer's tensor.
        answer: the whole model's.
        tolerance: how far an answer may be off.
    """

    model: str
    crossing: tuple[str, ...]
    content: bytes
    output: str
    answer: np.ndarray
    tolerance: float


@dataclass(slots=True)
class Tally:
    """What came of one client's requests.

    Attributes:
        answered: rightly.
        errors: by the name of their status; `WRONG` is another answer than the whole model's.
        seconds: of all answered together, until the answer.
    """

    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def questions_of(path: Path, name: str, *, cache: Cache, cuts: int, inputs: int, seed: int = 0) -> list[Question]:
    """Questions about the rest of a model, from its inputs on and from some cuts on.

    Args:
        path: a model of one input and one output of float32.
        name: on the server.
        cache: of canonical graphs.
        cuts: how many, evenly spaced among the candidates.
        inputs: different ones for every cut.
        seed: of the inputs.
    """
    runtime = OrtRuntime(threads=1)
    source = Source.open(path)
    generator = np.random.default_rng(seed)
    (tensor,) = source.inputs
    feeds = [{tensor.name: generator.uniform(-1, 1, tensor.static_shape).astype(np.float32)} for _ in range(inputs)]
    binding = source.bind_feeds(feeds[0], {})
    model = canonicalise(source, binding, runtime, cache=cache)
    store = PieceStore(model, runtime)
    whole = runtime.open(path)
    offloaded = [cut for cut in candidate_cuts(model) if cut.offloaded]
    found = []
    for place in np.unique(np.linspace(0, len(offloaded) - 1, cuts).round().astype(int)):
        cut = offloaded[place]
        for given in feeds:
            known = given | (store.session(cut.head).run(given) if cut.head is not None else {})
            tensors = tuple(Tensor(name=one, array=np.ascontiguousarray(known[one])) for one in cut.crossing)
            ((output, answer),) = whole.run(given).items()
            content = encode_request(
                InferRequest(
                    model_name=name,
                    tensors=tensors,
                    outputs=(output,),
                    parameters={DIGEST: source.digest, BINDING: binding.encode()},
                )
            )
            found.append(
                Question(
                    model=name,
                    crossing=cut.crossing,
                    content=content,
                    output=output,
                    answer=answer,
                    tolerance=tolerance_of(answer, 0.0).absolute,
                )
            )
    return found


def jain(shares: Sequence[float]) -> float:
    """How even shares are: 1 where all are equal, 1/n where one of n has everything, 1 where nobody has anything.

    Args:
        shares: one at least, none below 0.

    Source: Jain, Chiu, Hawe, A quantitative measure of fairness, DEC TR-301, 1984.
    """
    values = np.asarray(shares, float)
    squares = len(values) * float(np.sum(values**2))
    return float(np.sum(values)) ** 2 / squares if squares else 1.0


class Crowd:
    """Clients at work."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes
        for pipe in pipes:
            pipe.recv()  # its clients have begun

    def count(self) -> list[Tally]:
        """What came of every client's requests since they were counted last, or began."""
        for pipe in self._pipes:
            pipe.send("count")
        tallies: list[Tally] = []
        for pipe in self._pipes:
            tallies += pipe.recv()
        return tallies


@contextmanager
def crowd(
    url: str,
    questions: Sequence[Question],
    *,
    tokens: Sequence[str],
    think_s: float,
    processes: int = 1,
    in_flight: int = 1,
    core: int | None = None,
    seed: int = 0,
) -> Iterator[Crowd]:
    """Clients that ask while the block lasts.

    Args:
        url: of the server.
        questions: drawn at random.
        tokens: one for each client, all different; each has a connection of its own, too.
        think_s: mean seconds between an answer and the next question, exponentially distributed.
        processes: that the clients are spread over.
        in_flight: requests that a client sends at once.
        core: that the processes stay on.
        seed: of all draws.
    """
    with ExitStack() as stack:
        pipes = []
        for number in range(processes):
            arguments = (url, tuple(questions), tuple(tokens[number::processes]), think_s, in_flight, (seed, number))
            pipes.append(stack.enter_context(child(core, _work, *arguments)))
        yield Crowd(pipes)


def _work(
    pipe: Connection,
    url: str,
    questions: tuple[Question, ...],
    tokens: tuple[str, ...],
    think_s: float,
    in_flight: int,
    seed: tuple[int, int],
) -> None:
    async def work() -> None:
        tallies = [Tally() for _ in tokens]
        channels = [open_channel(url) for _ in tallies]
        calls = [channel.unary_unary(Method.MODEL_INFER.path) for channel in channels]
        generator = np.random.default_rng(seed)
        asked = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), asked.set)
        tasks = [
            asyncio.create_task(
                _ask_on(partial(call, metadata=bearer(token)), questions, tallies, number, think_s, generator)
            )
            for number, (call, token) in enumerate(zip(calls, tokens, strict=True))
            for _ in range(in_flight)
        ]
        pipe.send("begun")
        while True:
            await asked.wait()
            asked.clear()
            try:
                while pipe.poll():
                    pipe.recv()
                    pipe.send(tallies[:])
                    tallies[:] = [Tally() for _ in tallies]
            except (EOFError, OSError):
                break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for channel in channels:
            await channel.close()

    asyncio.run(work())


async def _ask_on(
    call: Callable[..., Awaitable[bytes]],
    questions: tuple[Question, ...],
    tallies: list[Tally],
    number: int,
    think_s: float,
    generator: np.random.Generator,
) -> None:
    while True:
        await asyncio.sleep(float(generator.exponential(think_s)))
        question = questions[int(generator.integers(len(questions)))]
        start_s = time.perf_counter()
        try:
            content = await call(question.content, timeout=_PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            tallies[number].errors[error.code().name] += 1
            await asyncio.sleep(_AFTER_ERROR_S)
            continue
        seconds = time.perf_counter() - start_s
        problem = _problem(question, content)
        if problem:
            tallies[number].errors[problem] += 1
        else:
            tallies[number].answered += 1
            tallies[number].seconds += seconds


def _problem(question: Question, content: bytes) -> str:
    try:
        found = {tensor.name: tensor.array for tensor in decode_response(content).tensors}
    except WireError:
        return DAMAGED
    answer = found.get(question.output)
    if answer is None or answer.shape != question.answer.shape:
        return WRONG
    return "" if float(np.max(np.abs(answer - question.answer))) <= question.tolerance else WRONG
