"""A world in which everything goes wrong, in simulated time: one client's real loop, a link, a server, their faults.

Real: decision, race, hedge, breaker, reconnection, observer, remote, the wire's records. Simulated: time, the network,
the server, the seconds of pieces and what they compute. One seed makes one history, always the same.

    python -m tests.client.simulation SEED      replays one, and tells what happened
"""

import copy
import heapq
import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from partway.client.answering import answer
from partway.client.bound import BoundModel
from partway.client.call import Answer, PendingCall, Withdrawal
from partway.client.observer import Observer
from partway.client.packing import Packer
from partway.client.reconnection import Reconnection
from partway.client.remote import Question, Remote
from partway.client.request import Request
from partway.client.result import Result
from partway.client.surroundings import Surroundings
from partway.client.traffic import Traffic
from partway.engine import OrtRuntime, PieceStore, Stop
from partway.errors import PartwayError, RunStopped, ServerNotReady, ServerRefused, ServerUnavailable
from partway.graph import Piece, Source, canonicalise
from partway.link import Link
from partway.wire import (
    COSTS_MODEL,
    DIGEST,
    TURNED_AWAY,
    CostAnswer,
    InferRequest,
    InferResponse,
    Load,
    Tensor,
    decode_cost_query,
    decode_response,
    encode_cost_answer,
    encode_load,
    encode_response,
    read_queue_within_s,
)

Arrays = Mapping[str, np.ndarray]
Kind = Literal[
    "refused", "reset", "blackhole", "drip", "corrupt", "half-closed", "another model", "loading", "slow", "late",
    "twice", "crowded", "turned away for nothing",
    "RESOURCE_EXHAUSTED", "NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "INTERNAL",
    "UNAUTHENTICATED", "UNIMPLEMENTED", "DEADLINE_EXCEEDED",
]  # fmt: skip
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]  # a Literal's words

WHOLE_S = 0.2  # the whole model on the device
STEPS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda x: x * np.float32(2),
    lambda x: x[:512],
    lambda x: x + np.float32(3),
    lambda x: x[:128],
    lambda x: x * np.float32(5),
)
ANSWER_BYTES = 700
NAMES = ("x", "a", "b", "c", "d", "y")
# Where the breaker may stand open after a fault: its longest pause, the longest question's time, and a little.
RECOVERY_S = 30.0 + 10.0 + 0.5
QUESTION_LATE_S = 0.1  # however much the session was used while the question before was on its way


class World:
    """Time, and what is to happen in it. One thing happens at a time."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        return self.now_s

    @property
    def pending(self) -> int:
        return len(self._events)

    def at(self, when_s: float, callback: Callable[[], object]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), callback))

    def later(self, delay_s: float, callback: Callable[[], object]) -> Callable[[], None]:
        off = Stop()
        self.at(self.now_s + delay_s, lambda: None if off.stopped else callback())
        return off.stop

    def wait(self, until_s: float, ended: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until then, or until something has ended."""
        while not ended() and self._events and self._events[0][0] <= until_s:
            when_s, _, callback = heapq.heappop(self._events)
            self.now_s = max(self.now_s, when_s)
            callback()
        if not ended():
            self.now_s = max(self.now_s, until_s)

    def sleep(self, seconds: float) -> None:
        self.wait(self.now_s + seconds)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault, from when until when."""

    kind: Kind
    from_s: float
    until_s: float


class SimulatedCall(PendingCall):
    """A call whose waiting lets the world go on."""

    def __init__(self, world: World, lasts_s: float, withdraw: Callable[[Withdrawal], object]) -> None:
        super().__init__(clock=world.clock, lasts_s=lasts_s, withdraw=withdraw)
        self._world = world

    def result(self, timeout_s: float | None = None) -> Answer:
        until_s = self._until_s if timeout_s is None else min(self._until_s, self._world.now_s + timeout_s)
        self._world.wait(until_s, self._settled.is_set)
        return super().result(None if timeout_s is None else 0.0)


class SimulatedServer:
    """A link and a server behind it: what is sent arrives, waits, is run and comes back, unless there is trouble.

    Args:
        world: its time.
        chance: what it leaves to chance.
        link: how fast and how far.
        digest: of the model that it serves.
        troubles: what goes wrong, and when.
    """

    def __init__(self, world: World, chance: Random, link: Link, digest: str, troubles: tuple[Trouble, ...]) -> None:
        self.world = world
        self.chance = chance
        self.link = link
        self.digest = digest
        self.troubles = troubles
        self.calls: list[SimulatedCall] = []
        self.withdrawn: list[Withdrawal] = []
        self.questions = 0
        self._closed = False
        self._free_s = 0.0

    def trouble(self, when_s: float) -> Trouble | None:
        return next((one for one in self.troubles if one.from_s <= when_s < one.until_s), None)

    def start(self, request: InferRequest, timeout_s: float) -> SimulatedCall:
        call = SimulatedCall(self.world, timeout_s, self.withdrawn.append)
        if self._closed:
            call.fail(ServerUnavailable("the connection was closed"))
            return call
        self.calls = [one for one in self.calls if not one.settled] + [call]
        self.questions += request.model_name == COSTS_MODEL
        self._carry(call, request)
        return call

    def close(self) -> None:
        self._closed = True
        for call in self.calls:
            call.cancel()

    def _carry(self, call: SimulatedCall, request: InferRequest) -> None:
        world, now_s, trouble = self.world, self.world.now_s, self.trouble(self.world.now_s)
        kind = None if trouble is None else trouble.kind
        up_s = self.link.rtt_s / 2 + _size_bytes(request) / self.link.uplink_bytes_per_s
        if kind == "refused":
            self._fail(call, now_s + self.link.rtt_s, ServerUnavailable("connection refused"))
        elif kind == "reset":
            self._fail(call, now_s + self.chance.random() * up_s, ServerUnavailable("connection reset"))
        elif kind == "half-closed":
            self._fail(call, now_s + up_s + self.chance.uniform(0.0, 5.0), ServerUnavailable("the stream ended"))
        elif kind == "drip":
            # A byte a second, for as long as that lasts; then the rest as ever.
            world.at(
                max(now_s + up_s, trouble.until_s if trouble else 0.0), partial(self._arrive, call, request, now_s)
            )
        else:
            world.at(now_s + up_s, partial(self._arrive, call, request, now_s))

    def _arrive(self, call: SimulatedCall, request: InferRequest, sent_s: float) -> None:
        now_s, trouble = self.world.now_s, self.trouble(self.world.now_s)
        kind = None if trouble is None else trouble.kind
        if call.settled:
            return
        if kind == "blackhole":  # nothing is lost for good: it arrives when that is over
            self.world.at(trouble.until_s if trouble else now_s, partial(self._arrive, call, request, sent_s))
            return
        back_s = self.link.rtt_s / 2
        if kind == "loading":
            self._fail(call, now_s + back_s, ServerNotReady("UNAVAILABLE", "the model is being opened", "loading"))
        elif kind == "DEADLINE_EXCEEDED":
            self._fail(call, now_s + back_s, ServerUnavailable("no answer from the server (DEADLINE_EXCEEDED)"))
        elif kind is not None and kind.isupper():
            self._fail(call, now_s + back_s, ServerRefused(kind, "as the simulation has it"))
        else:
            self._serve(call, request, sent_s, kind)

    def _serve(self, call: SimulatedCall, request: InferRequest, sent_s: float, kind: Kind | None) -> None:
        now_s = self.world.now_s
        digest = "another" if kind == "another model" else self.digest
        query = decode_cost_query(request) if request.model_name == COSTS_MODEL else None
        claimed = request.parameters.get(DIGEST) if query is None else query.digest
        if claimed is not None and claimed != digest:
            error = ServerRefused("FAILED_PRECONDITION", "another model is served under that name")
            self._fail(call, now_s + self.link.rtt_s / 2, error)
            return
        queue_s = max(0.0, self._free_s - now_s) + (self.chance.uniform(0.0, 0.5) if kind == "crowded" else 0.0)
        service_s = (
            self._tail_s(request) * (self.chance.uniform(2.0, 60.0) if kind == "slow" else 1.0)
            if query is None
            else 1e-4
        )
        within_s = read_queue_within_s(request.parameters)
        away = within_s is not None and queue_s > within_s
        if away or kind == "turned away for nothing":
            self._turn_away(call, request, sent_s, 0.0 if not away else queue_s)
            return
        waits_s = queue_s if query is None else 0.0
        if query is None:
            self._free_s = now_s + queue_s + service_s
        load = Load(queue_delay_s=queue_s, slowdown=1.0, service_s=service_s, queue_s=waits_s)
        if query is None:
            read = self._outputs(request, load, damaged=kind == "corrupt", wrong=digest != self.digest)
        else:
            read = partial(encode_cost_answer, _costs(query.cuts), encode_load(load))
        late_s = self.chance.uniform(0.0, 0.4) if kind == "late" else 0.0
        answered_s = now_s + waits_s + service_s + late_s + self._down_s()
        for again_s in (0.0, 0.01) if kind == "twice" else (0.0,):
            self.world.at(answered_s + again_s, partial(self._come_back, call, request, read, sent_s))

    def _turn_away(self, call: SimulatedCall, request: InferRequest, sent_s: float, queue_s: float) -> None:
        load = Load(queue_delay_s=queue_s, slowdown=1.0, service_s=0.0, queue_s=0.0)
        response = InferResponse(model_name="simulated", parameters={**encode_load(load), TURNED_AWAY: True})
        back = partial(self._come_back, call, request, lambda: response, sent_s)
        self.world.at(self.world.now_s + self._down_s(), back)

    def _come_back(
        self, call: SimulatedCall, request: InferRequest, read: Callable[[], InferResponse], sent_s: float
    ) -> None:
        trouble = self.trouble(self.world.now_s)
        if trouble is not None and trouble.kind == "blackhole":
            self.world.at(trouble.until_s, partial(self._come_back, call, request, read, sent_s))
            return
        took_s, up_bytes = self.world.now_s - sent_s, _size_bytes(request)
        call.settle(lambda: Answer(response=read(), round_trip_s=took_s, up_bytes=up_bytes, down_bytes=ANSWER_BYTES))

    def _outputs(self, request: InferRequest, load: Load, *, damaged: bool, wrong: bool) -> Callable[[], InferResponse]:
        outputs = compute({tensor.name: tensor.array for tensor in request.tensors}, request.outputs)
        tensors = tuple(Tensor(name=name, array=array + wrong) for name, array in outputs.items())
        response = InferResponse(model_name=request.model_name, tensors=tensors, parameters=encode_load(load))
        if not damaged:
            return lambda: response
        content = bytearray(encode_response(response))
        content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
        return lambda: decode_response(bytes(content))

    def _down_s(self) -> float:
        return self.link.rtt_s / 2 + ANSWER_BYTES / self.link.downlink_bytes_per_s

    def _tail_s(self, request: InferRequest) -> float:
        return _tail_s(tuple(tensor.name for tensor in request.tensors))

    def _fail(self, call: SimulatedCall, when_s: float, error: PartwayError) -> None:
        self.world.at(when_s, lambda: call.fail(error))


def _size_bytes(request: InferRequest) -> int:
    return 100 + sum(tensor.array.nbytes for tensor in request.tensors)


@cache
def _costs(cuts: tuple[tuple[str, ...], ...]) -> CostAnswer:
    return CostAnswer(server_s=tuple(_tail_s(cut) for cut in cuts), measured=(True,) * len(cuts))


def _tail_s(crossing: tuple[str, ...]) -> float:
    return 0.1 * WHOLE_S * (1.0 - NAMES.index(crossing[0]) / len(STEPS))


def compute(known: Arrays, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What the model computes, from whatever of its tensors is there."""
    found = dict(known)
    for step, before, after in zip(STEPS, NAMES, NAMES[1:], strict=False):
        if after not in found and before in found:
            found[after] = step(found[before])
    return {name: found[name] for name in wanted}


class SimulatedBound(BoundModel):
    """A model whose pieces take simulated seconds, can be stopped, and compute in Python."""

    world: World
    slow: float = 1.0  # how many times longer pieces take now, since others use the device

    def run(
        self, piece: Piece, feeds: Arrays, outputs: tuple[str, ...], *, stop: Stop | None = None
    ) -> dict[str, np.ndarray]:
        steps = NAMES.index(piece.outputs[-1]) - NAMES.index(piece.inputs[0])
        ends_s = self.world.now_s + WHOLE_S * self.slow * steps / len(STEPS)
        self.world.wait(ends_s, lambda: stop is not None and stop.stopped)
        if stop is not None:
            stop.check()
        return compute({name: feeds[name] for name in piece.inputs}, outputs)


@cache
def template() -> SimulatedBound:
    """The model, made once: a chain whose tensors shrink."""
    ends = {
        name: numpy_helper.from_array(np.array([size], np.int64), name) for name, size in (("e1", 512), ("e2", 128))
    }
    zero = numpy_helper.from_array(np.array([0], np.int64), "zero")
    factors = [numpy_helper.from_array(np.array([k], np.float32), f"k{k}") for k in (2, 3, 5)]
    nodes = [
        helper.make_node("Mul", ["x", "k2"], ["a"]),
        helper.make_node("Slice", ["a", "zero", "e1"], ["b"]),
        helper.make_node("Add", ["b", "k3"], ["c"]),
        helper.make_node("Slice", ["c", "zero", "e2"], ["d"]),
        helper.make_node("Mul", ["d", "k5"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "simulated",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2048])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [128])],
        [zero, *ends.values(), *factors],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.onnx"
        onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
        source, runtime = Source.open(path), OrtRuntime(threads=1)
        model = canonicalise(source, source.bind(), runtime)
    bound = SimulatedBound(model, PieceStore(model, runtime), emulate=lambda session: session, whole_s=WHOLE_S)
    for cut in bound.offloaded:
        bound.learn_head(cut, WHOLE_S * NAMES.index(cut.crossing[0]) / len(STEPS))
    bound.learn_tails(_costs(tuple(cut.crossing for cut in bound.offloaded)))
    return bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of a history, and how it went.

    Attributes:
        at_s: when it was asked.
        breaker: how the breaker stood then.
        result: what came of it.
        right: whether the outputs are the model's.
    """

    at_s: float
    breaker: str
    result: Result
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that happened to one client.

    Attributes:
        troubles: what went wrong, and when.
        asked: its requests.
        recovered: whether requests went to the server again, so long after the last trouble.
        questions: how many were sent behind the requests.
        lasted_s: how long it all took.
        open_calls: calls that nobody had settled or withdrawn in the end.
        most_open_calls: after any request.
        pending: events that were still to come in the end.
        latest_question_s: how long after the end of a pause the question came that should have ended it, at most.
    """

    troubles: tuple[Trouble, ...]
    asked: tuple[Asked, ...]
    recovered: bool
    questions: int
    lasted_s: float
    open_calls: int
    most_open_calls: int
    pending: int
    latest_question_s: float


class Client:
    """One client's loop as a session has it, on the world's one thread."""

    def __init__(self, world: World, server: SimulatedServer, seed: int) -> None:
        self.world = world
        self.server = server
        around = Surroundings(
            clock=world.clock, sleep=world.sleep, generator=np.random.default_rng(seed), later=world.later
        )
        self.bound = copy.copy(template())
        self.bound.world = world
        self.observer = Observer(prior=server.link, clock=world.clock, generator=around.generator)
        self.remote = Remote(server, self.observer, model_name="simulated", timeout_s=10.0, surroundings=around)
        self.packer = Packer(slowdown=1.0, clock=world.clock, sleep=world.sleep)
        self.traffic = Traffic()
        self.reconnection = Reconnection(self.remote.breaker, self._refresh, later=world.later, clock=world.clock)
        self.latest_question_s = 0.0
        self._asked: Question | None = None
        self._next_s = 0.0
        self._pause_ends_s = math.inf

    def run(self, x: np.ndarray, stop: Stop | None = None) -> Result:
        request = Request(
            names=("y",),
            feeds={"x": x},
            observer=self.observer,
            traffic=self.traffic,
            slowdown=1.0,
            clock=self.world.clock,
            stop=stop or Stop(),
        )
        result = answer(request, self.bound, self.remote, self.packer)
        self.reconnection.used()
        self._note_pause()
        if self.remote.breaker.closed and self.world.now_s >= self._next_s:
            self._next_s = self.world.now_s + 1.0
            self._refresh()
        return result

    def _refresh(self) -> None:
        if self._asked is None and self.remote.breaker.claim():
            if not self.remote.breaker.closed:
                self.latest_question_s = max(self.latest_question_s, self.world.now_s - self._pause_ends_s)
            self._pose(0)
        else:
            self.reconnection.plan()

    def _pose(self, padding_bytes: int) -> None:
        question = self._asked = self.remote.pose(self.bound, padding_bytes=padding_bytes)
        question.call.on_done(partial(self._hear, question))
        self.world.later(question.timeout_s, partial(self._hear, question))

    def _hear(self, question: Question) -> None:
        if self._asked is not question:
            return
        self._asked = None
        with suppress(PartwayError):
            self.remote.hear(question)  # the costs that it tells are known, and never move
            if (padding_bytes := self.observer.follow_up()) is not None:
                self._pose(padding_bytes)
        self.reconnection.plan()
        self._note_pause()

    def _note_pause(self) -> None:
        if self.remote.breaker.state == "open":
            self._pause_ends_s = self.world.now_s + self.remote.breaker.pause_left_s


def simulate(seed: int) -> History:
    """One history: requests, now and then trouble, and in the end enough quiet time to recover from it."""
    chance = Random(seed)
    world = World()
    link = Link(
        uplink_bytes_per_s=10 ** chance.uniform(4.5, 7.5),
        downlink_bytes_per_s=10 ** chance.uniform(5.5, 8.0),
        rtt_s=10 ** chance.uniform(-3.0, -1.0),
    )
    troubles, at_s = [], world.now_s + chance.uniform(0.0, 1.0)
    for _ in range(chance.choice((1, 1, 2))):
        until_s = at_s + 10 ** chance.uniform(-1.0, 1.3)
        troubles.append(Trouble(chance.choice(KINDS), at_s, until_s))
        at_s = until_s + chance.uniform(0.0, 3.0)
    last_s = troubles[-1].until_s
    server = SimulatedServer(world, chance, link, template().model.source_digest, tuple(troubles))
    client = Client(world, server, seed)
    asked: list[Asked] = []
    most_open = 0

    def ask() -> None:
        nonlocal most_open
        x = np.full(2048, len(asked) + 1, np.float32)
        at_s, breaker = world.now_s, client.remote.breaker.state
        result = client.run(x)
        right = np.array_equal(result.outputs[0], compute({"x": x}, ("y",))["y"])
        asked.append(Asked(at_s=at_s, breaker=breaker, result=result, right=right))
        most_open = max(most_open, sum(not call.settled for call in server.calls))

    gap_s = (last_s - world.now_s) / chance.randint(1, 3)
    while world.now_s < last_s:
        ask()
        world.sleep(gap_s * chance.choice((0.0, 0.5, 1.0, 2.0)))
    ask()
    world.sleep(RECOVERY_S)
    recovered = client.remote.breaker.closed
    ask()
    client.reconnection.close()
    world.sleep(60.0)
    return History(
        troubles=tuple(troubles),
        asked=tuple(asked),
        recovered=recovered,
        questions=server.questions,
        lasted_s=world.now_s - 1000.0,
        open_calls=sum(not call.settled for call in server.calls),
        most_open_calls=most_open,
        pending=world.pending,
        latest_question_s=client.latest_question_s,
    )


def faults_of(history: History) -> list[str]:
    """Everything in a history that must not be; empty for a good one."""
    found = []
    for number, one in enumerate(history.asked):
        result, name = one.result, f"request {number}"
        wait_s = result.hedge_wait_s or 0.0
        if not one.right:
            found.append(f"{name} was answered wrongly")
        if result.total_s > WHOLE_S + wait_s + 1e-6:
            found.append(
                f"{name} took {result.total_s:.4f} s, over the device's {WHOLE_S} s and a wait of {wait_s:.4f} s"
            )
        if result.total_s > 2.6 * WHOLE_S:
            found.append(f"{name} took {result.total_s:.4f} s, far over what the device alone takes")
        if one.breaker != "closed" and (result.hedge_wait_s is not None or abs(result.total_s - WHOLE_S) > 1e-6):
            found.append(f"{name} paid for a server that was known to be gone")
    if not history.recovered:
        found.append(f"the breaker was not closed {RECOVERY_S} s after the last trouble")
    if history.latest_question_s > QUESTION_LATE_S:
        found.append(f"a question came {history.latest_question_s:.2f} s after the pause that it was to end")
    if history.most_open_calls > 1:
        found.append(f"{history.most_open_calls} calls were open after a request; one question at most may be")
    if history.open_calls or history.pending:
        found.append(f"{history.open_calls} calls and {history.pending} events were left over")
    if history.questions > 10 + 4 * history.lasted_s:
        found.append(f"{history.questions} questions were asked in {history.lasted_s:.0f} s")
    return found


def restless_faults(seed: int) -> list[str]:
    """Everything that must not be in a history of a busy device, a link that changes, and users who change their mind.

    Others use the device at first, some requests are stopped on their way, the link becomes another one, all is quiet
    for a minute, and the connection is closed under a request.
    """
    chance, found = Random(seed), []
    world = World()
    link = Link(uplink_bytes_per_s=10 ** chance.uniform(4.5, 7.5), downlink_bytes_per_s=1e7, rtt_s=0.01)
    server = SimulatedServer(world, chance, link, template().model.source_digest, ())
    client = Client(world, server, seed)
    client.bound.slow = chance.uniform(2.0, 8.0)

    def ask(name: str, stop: Stop) -> None:
        x = np.full(2048, chance.randrange(1, 100), np.float32)
        known, slow = len(server.withdrawn), client.bound.slow
        try:
            result = client.run(x, stop)
        except RunStopped:
            if Withdrawal.OVERDUE in server.withdrawn[known:]:
                found.append(f"{name} was stopped, and counts against the connection")
            return
        if not np.array_equal(result.outputs[0], compute({"x": x}, ("y",))["y"]):
            found.append(f"{name} was answered wrongly")
        if result.total_s > WHOLE_S * slow + (result.hedge_wait_s or 0.0) + 1e-6:
            found.append(f"{name} took {result.total_s:.4f} s on a device that is {slow:.1f} times slower")

    for number in range(30):
        if number == 15:
            client.bound.slow = 1.0
            server.link = replace(link, uplink_bytes_per_s=link.uplink_bytes_per_s * 10 ** chance.uniform(-1.0, 1.0))
        stop = Stop()
        if chance.random() < 0.25:
            world.later(chance.uniform(0.0, WHOLE_S), stop.stop)
        ask(f"request {number}", stop)
        world.sleep(chance.uniform(0.0, 0.3))
    slow = abs(math.log(client.observer.conditions().device_factor))
    world.sleep(60.0)
    if abs(math.log(client.observer.conditions().device_factor)) > 0.26 * slow:
        found.append("the device is still taken to be slow after a minute without a head")
    world.later(chance.uniform(0.0, WHOLE_S), server.close)
    ask("the request that the connection is closed under", Stop())
    world.sleep(WHOLE_S)
    ask("the request after that", Stop())
    client.reconnection.close()
    world.sleep(60.0)
    if any(not call.settled for call in server.calls) or world.pending:
        found.append("calls or events were left over")
    return found


def main() -> None:
    """Tell one history."""
    history = simulate(int(sys.argv[1]))
    for trouble in history.troubles:
        print(f"{trouble.from_s:10.3f} to {trouble.until_s:.3f}  {trouble.kind}")
    for one in history.asked:
        result = one.result
        print(f"{one.at_s:10.3f}  {result.total_s:.4f} s  breaker {one.breaker}  hedged {result.hedged}  "
              f"won by {result.won_by}: {result.reason}")  # fmt: skip
    print("\n".join(faults_of(history)) or "nothing that must not be")


if __name__ == "__main__":
    main()
