"""`InferenceSession`: onnxruntime's, with the choice of where each request runs.

The constructor makes a plain session of the whole model, which answers from the first request on; everything
else is learnt behind it. Decided anew for every request. Safe to call from several threads and from event loops.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from partway.client.answering import answer
from partway.client.awaiting import AwaitedWork
from partway.client.channel import Door, read_route
from partway.client.counters import Counters, Tally
from partway.client.credentials import Credentials
from partway.client.explanation import Explanation, explain
from partway.client.feeds import match_values, read_feeds
from partway.client.guide import guide_of
from partway.client.learner import Learner, file_stamp
from partway.client.observer import Observer
from partway.client.packing import Packer
from partway.client.predicted import HeadForecast
from partway.client.remote import Remote
from partway.client.request import Request
from partway.client.result import Result
from partway.client.surroundings import Surroundings
from partway.client.tracing import Tracer
from partway.client.traffic import Traffic
from partway.client.transport import GrpcTransport, Transport
from partway.engine import CPU, NodeArg, OrtRuntime, OrtSession, Session, SlowSession, Stop
from partway.errors import InputError, ModelError
from partway.graph import Cache, Source, find_model
from partway.link import NAMED_LINKS, Link, LinkEstimate
from partway.planning import CostTable, PlanDocument
from partway.prediction.foresight import Foresight
from partway.prediction.profile import Profile


class InferenceSession:
    """Runs an ONNX model, each request wherever it is expected to be answered first.

    Args:
        path_or_model: the ONNX file, or the name of one of the paper's networks (`partway.zoo.named_network`).
        server: `grpc://host:port` of a `partway serve`, `grpcs://` for TLS; None to stay on the device.
        credentials: the token and certificates that the server asks for, and what its own is judged by.
        model_name: the model's name there; by default the file's stem.
        bind: inputs held constant, by name; they need not be fed.
        threads: threads within an operator; None for all cores.
        providers: execution providers of ONNX Runtime on this device.
        timeout_s: the longest that a request waits for the server before it finishes alone, above 0.
        prior_link: what to expect of the network before anything was sent.
        device_slowdown: emulates a device so many times slower; answers are the same, times are labelled.
        cache: where canonical graphs and named networks lie; by default the one of `PARTWAY_CACHE`.
        transport: carries the requests instead of a connection to `server`.
        profile: of this device, or its path: costs are then predicted, and few are timed.
        codecs: what crossing tensors may be packed with where that pays and the server can undo it; by default every
            codec that is installed and loses nothing, so that answers are bit for bit those of raw tensors. Raw they
            may always travel; `()` for nothing else.
        plan: of this model and the shapes that are fed, or its path: requests keep to its cuts, codecs, objective and
            constraints, lossy codecs that were checked for it among them. Inputs of other shapes run on the device.
        trace: a file to which a line is added for every request: what was known, what was chosen, what came of it.

    Raises:
        ModelError: the file cannot be loaded.
        InputError: no such provider, a bad address, credentials or number, a profile that does not fit the others, or a
            codec that is unknown, not installed or lossy; a plan that rules the device alone out, or one beside codecs.
        DocumentError: the profile or the plan cannot be read, or the trace not written.
    """

    _surroundings: Callable[[], Surroundings] = Surroundings  # whoever simulates the world has a subclass say it

    def __init__(
        self,
        path_or_model: str | Path,
        *,
        server: str | None = None,
        credentials: Credentials | None = None,
        model_name: str | None = None,
        bind: Mapping[str, np.ndarray | float] | None = None,
        threads: int | None = None,
        providers: tuple[str, ...] = (CPU,),
        timeout_s: float = 10.0,
        prior_link: Link = NAMED_LINKS["lte"],
        device_slowdown: float = 1.0,
        cache: Cache | None = None,
        transport: Transport | None = None,
        profile: Profile | str | Path | None = None,
        codecs: Sequence[str] | None = None,
        plan: PlanDocument | str | Path | None = None,
        trace: str | Path | None = None,
    ) -> None:
        if not timeout_s > 0.0:
            raise InputError(f"timeout_s is {timeout_s}; it must be above 0, for instance 10")
        if not device_slowdown >= 1.0:
            raise InputError(f"device_slowdown is {device_slowdown}; a device can be slowed by a factor of 1 or more")
        self._world = world = self._surroundings()
        guide = guide_of(plan, codecs, world)
        door = None if transport is not None or server is None else Door(read_route(server, credentials))
        self._found = find_model(path_or_model, cache=cache)  # held, so that a network's file stays
        self._path = self._found.path
        self._runtime = OrtRuntime(threads=threads, providers=providers)
        foresight = None if profile is None else Foresight.of(profile, self._runtime)
        self._slowdown = device_slowdown
        self._busy = threading.Lock()  # an emulated device runs one piece at a time, whichever
        self._lock = threading.Lock()
        self._stamp = file_stamp(self._path)
        self._whole: OrtSession | None = self._runtime.open(self._path)
        self._inputs, self._outputs = self._whole.input_args, self._whole.output_args
        self._dtypes = {tensor.name: tensor.dtype for tensor in self._whole.input_infos}
        self._values = match_values(self._whole, bind or {})
        self._traffic = Traffic()
        self._tally = Tally()
        self._packer = Packer(slowdown=device_slowdown, clock=world.clock, sleep=world.sleep)
        self._observer = Observer(prior=prior_link, clock=world.clock, generator=world.generator)
        self._remote: Remote | None = None
        self._learner: Learner | None = None
        self._awaited = AwaitedWork()
        self._tracer: Tracer | None = None
        self._closed = False
        if trace is not None:
            self._tracer = Tracer(
                Path(trace),
                model=self._path.name,
                server=server,
                emulated_slowdown=device_slowdown,
                begun_s=world.clock(),
            )
        # Threads last: nothing is left running by a session that could not be made.
        if door is not None:
            transport = GrpcTransport(door, clock=world.clock)
        # Sequences and the like cannot be sent, nor cut around: such models stay on the device.
        if transport is not None and all(dtype is not None for dtype in self._dtypes.values()):
            self._remote = Remote(
                transport,
                self._observer,
                model_name=model_name or self._path.stem,
                timeout_s=timeout_s,
                surroundings=world,
            )
            self._learner = Learner(
                self._path,
                stamp=self._stamp,
                values=self._values,
                runtime=self._runtime,
                remote=self._remote,
                observer=self._observer,
                cache=cache or Cache.default(),
                emulate=self._emulate,
                packer=self._packer,
                traffic=self._traffic,
                on_bound=self._release_whole,
                forecast=None if foresight is None else HeadForecast.maker(foresight, slowdown=device_slowdown),
                guide=guide,
                surroundings=world,
            )

    def get_inputs(self) -> list[NodeArg]:
        """The inputs to feed, each with `name`, `type` and `shape`; those held constant are left out."""
        return [value for value in self._inputs if value.name not in self._values]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs, each with `name`, `type` and `shape`."""
        return list(self._outputs)

    def get_providers(self) -> list[str]:
        """The execution providers of this device."""
        return list(self._runtime.providers)

    @property
    def link(self) -> LinkEstimate:
        """The network as the session believes it to be now."""
        return self._observer.link

    @property
    def counters(self) -> Counters:
        """How the requests went so far, in numbers."""
        openings = 0 if self._remote is None else self._remote.breaker.openings
        return self._tally.read(breaker_openings=openings)

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The model's outputs, as `onnxruntime.InferenceSession.run` gives them.

        Args:
            output_names: which outputs, in which order; None for all.
            input_feed: an array for every input; shapes may differ from request to request.

        Raises:
            BindingError: a feed is missing, unknown, or does not fit.
            EngineError: the model fails on this input.
        """
        return list(self.run_detailed(output_names, input_feed).outputs)

    def run_detailed(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]) -> Result:
        """As `run`, with where the request was cut, what it sent, where its seconds went, and why.

        Raises:
            BindingError: a feed is missing, unknown, or does not fit.
            EngineError: the model fails on this input.
        """
        return self._run(output_names, input_feed, Stop())

    async def run_async(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]
    ) -> list[np.ndarray]:
        """As `run`, awaited; cancelling the task withdraws the request and stops the device's part.

        Requests run on threads of the session, at most 64 at once, so the loop goes on meanwhile. The arrays must not
        be changed before the answer is there.

        Raises:
            BindingError: a feed is missing, unknown, or does not fit.
            EngineError: the model fails on this input.
        """
        return list((await self.run_detailed_async(output_names, input_feed)).outputs)

    async def run_detailed_async(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]
    ) -> Result:
        """As `run_detailed`, awaited as `run_async` is.

        Raises:
            BindingError: a feed is missing, unknown, or does not fit.
            EngineError: the model fails on this input.
        """
        return await self._awaited.run(partial(self._run, output_names, input_feed))

    def _run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray], stop: Stop) -> Result:
        with self._traffic.request():
            if self._closed:
                raise InputError("the session is closed; make a new one")
            started_s, request = self._world.clock(), None
            try:
                request = Request(
                    names=self._output_names(output_names),
                    feeds=self._read_feeds(input_feed),
                    observer=self._observer,
                    traffic=self._traffic,
                    slowdown=self._slowdown,
                    clock=self._world.clock,
                    stop=stop,
                )
                result = self._answer(request)
            except BaseException as error:  # noted, whatever it is, and raised on
                if self._tracer is not None:
                    total_s = self._world.clock() - started_s
                    self._tracer.note_error(error, request, started_s=started_s, total_s=total_s)
                raise
            if self._tracer is not None:
                self._tracer.note(request, result)
        return result

    def _answer(self, request: Request) -> Result:
        bound = self._learner.bound(request.feeds) if self._learner is not None else None
        if bound is None or self._learner is None or self._remote is None:
            request.reason = f"the device alone, since {self._why_not(request.feeds)}"
            result = request.run_whole(self._whole_session(), self._values)
        else:
            result = answer(request, bound, self._remote, self._packer)
            self._learner.nudge(bound)
        self._tally.count(result, request.fault, turned_away=request.turned_away)
        return result

    def explain(self, input_feed: Mapping[str, np.ndarray]) -> Explanation:
        """Where a request with these feeds would run now, and why; nothing is run. Print it, or read its parts.

        Args:
            input_feed: feeds whose shapes matter.
        """
        feeds = self._read_feeds(input_feed)
        bound = self._learner.bound(feeds) if self._learner is not None else None
        return explain(bound, self._remote, self._observer, self._why_not(feeds))

    def wait_until_ready(self, input_feed: Mapping[str, np.ndarray], timeout_s: float = 60.0) -> bool:
        """Wait until costs for feeds of these shapes are known on both sides. Requests need not wait for it.

        Args:
            input_feed: feeds whose shapes matter.
            timeout_s: the longest to wait.

        Returns:
            Whether they are known; False when time ran out, the server is silent, or there is none.
        """
        feeds = self._read_feeds(input_feed)
        return self._learner is not None and self._learner.wait(feeds, timeout_s)

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until nothing is learnt in the background, so that measurements of others are not disturbed by it.

        Args:
            timeout_s: the longest to wait.
        """
        if self._learner is not None:
            self._learner.settle(timeout_s)

    def costs(self, input_feed: Mapping[str, np.ndarray]) -> CostTable | None:
        """What every cut that can be chosen now is expected to cost, device-only last.

        Args:
            input_feed: feeds whose shapes matter.

        Returns:
            None until cuts for these shapes are prepared, or when there is nothing to offload to.
        """
        feeds = self._read_feeds(input_feed)
        bound = self._learner.bound(feeds) if self._learner is not None else None
        return None if bound is None else bound.choices.table

    def close(self) -> None:
        """Stop background work and let the connection go; requests that run are finished by the device.

        Repeated calls do nothing.
        """
        self._closed = True
        self._awaited.close()
        if self._learner is not None:
            self._learner.stop()
        if self._remote is not None:
            self._remote.close()
        if self._learner is not None:
            self._learner.close()
        if self._tracer is not None:
            self._traffic.when_idle(self._tracer.close)  # those that run leave their lines, too

    def __enter__(self) -> "InferenceSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _why_not(self, feeds: Mapping[str, np.ndarray]) -> str:
        return "no server was given" if self._learner is None else self._learner.why_not(feeds)

    def _whole_session(self) -> Session:
        with self._lock:
            if self._whole is None:
                if file_stamp(self._path) != self._stamp:
                    raise ModelError(f"{self._path} was replaced since the session was made; make a new session")
                self._whole = self._runtime.open(self._path)
            return self._emulate(self._whole)

    def _release_whole(self, source: Source) -> None:
        # From here on pieces answer; the plain session is needed again only where shapes may still vary.
        if not source.optional_inputs and all(tensor.static_shape is not None for tensor in source.inputs):
            with self._lock:
                self._whole = None

    def _emulate(self, session: Session) -> Session:
        if self._slowdown == 1.0:
            return session
        return SlowSession(
            session,
            self._slowdown,
            clock=self._world.clock,
            sleep=self._world.sleep,
            computing=time.thread_time if self._runtime.computes_on_caller else None,
            busy=self._busy,
        )

    def _read_feeds(self, input_feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return read_feeds(input_feed, held=self._values, dtypes=self._dtypes)

    def _output_names(self, output_names: Sequence[str] | None) -> tuple[str, ...]:
        known = tuple(value.name for value in self._outputs)
        if not output_names:  # as onnxruntime does, none named means all
            return known
        for name in output_names:
            if name not in known:
                raise InputError(f"the model has no output {name!r}; its outputs are {', '.join(known)}")
        return tuple(output_names)
