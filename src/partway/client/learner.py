"""What a session learns behind its requests, on one thread of its own, and what it asks, on another.

    open the source (identity) > per binding: canonical graph, optimised pieces, time the whole > ask the server
    what its tails take > time the heads, one at a time, while no request runs > try the codecs on what they make, the
    same way > ask again: while costs are missing, when the link or the load is to be learnt, and now and then

With a profile of this device heads are predicted as soon as the whole was timed, and few are timed. Input: feeds, as
examples of what is asked. Output: `BoundModel`s with costs. A request never waits for it.
"""

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from partway.client.bound import BoundModel
from partway.client.guide import Guide
from partway.client.observer import Observer
from partway.client.packing import Coding, Packer
from partway.client.predicted import ForecastMaker
from partway.client.reconnection import Reconnection
from partway.client.remote import Remote
from partway.client.surroundings import Surroundings
from partway.client.traffic import Traffic
from partway.client.worker import Worker
from partway.engine import OrtRuntime, PieceStore, Session
from partway.errors import ModelError, PartwayError
from partway.graph import Cache, Cut, Source, canonicalise, whole
from partway.profiling import Effort, time_session

logger = logging.getLogger(__name__)

Key = tuple[tuple[str, tuple[int, ...]], ...]
Stamp = tuple[int, int, int]

_MOST_BINDINGS = 8
# What tails take: how soon it is asked again while costs are missing, twice as late after each answer that told nothing
# new; and at the latest, as when all are known.
_LEARN_EVERY_S, _REFRESH_EVERY_S = 1.0, 10.0
_POLL_S, _POLL_GROWS, _LONGEST_POLL_S = 0.02, 1.5, 0.5  # of whoever waits for costs
_SILENCES = 3  # a server that is silent so often in a row is not waited for
_IDLE_WAIT_S = 1.0  # a device that is never idle is measured busy, which is how it will be used
_QUICK = Effort(warm_ups=1, least_runs=3, most_runs=5, budget_s=0.2)


def file_stamp(path: Path) -> Stamp:
    """What tells a file from another that takes its place: inode, size, time of change.

    Raises:
        ModelError: there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    return status.st_ino, status.st_size, status.st_mtime_ns


def key_of(feeds: Mapping[str, np.ndarray]) -> Key:
    """What identifies the binding of some feeds: the shape of each."""
    return tuple(sorted((name, array.shape) for name, array in feeds.items()))


class Learner:
    """Prepares bindings and learns their costs in the background.

    Args:
        path: the model file.
        stamp: what the file was when the session was made.
        values: inputs held constant.
        runtime: runs pieces.
        remote: the server.
        observer: says when the link should be probed.
        cache: where canonical graphs lie.
        emulate: wraps sessions, to emulate a slower device.
        packer: packs crossing tensors, as slowly as the device that is emulated.
        traffic: says when the device is idle.
        on_bound: told of the source once its first binding is ready.
        forecast: predicts the heads of a model, where there is a profile of this device.
        guide: which cuts and codecs requests may use.
        surroundings: the clock, and what calls later.
    """

    def __init__(
        self,
        path: Path,
        *,
        stamp: Stamp,
        values: Mapping[str, np.ndarray],
        runtime: OrtRuntime,
        remote: Remote,
        observer: Observer,
        cache: Cache,
        emulate: Callable[[Session], Session],
        packer: Packer,
        traffic: Traffic,
        on_bound: Callable[[Source], None],
        forecast: ForecastMaker | None = None,
        guide: Guide,
        surroundings: Surroundings,
    ) -> None:
        self._path = path
        self._stamp = stamp
        self._values = values
        self._runtime = runtime
        self._remote = remote
        self._observer = observer
        self._cache = cache
        self._emulate = emulate
        self._packer = packer
        self._traffic = traffic
        self._on_bound = on_bound
        self._forecast = forecast
        self._guide = guide
        self._clock = surroundings.clock
        self._lock = threading.Lock()
        self._bound: OrderedDict[Key, BoundModel | None] = OrderedDict()
        self._examples: dict[Key, dict[str, np.ndarray]] = {}
        self._why_not: dict[Key, str] = {}
        self._refreshed_s, self._every_s = -math.inf, _LEARN_EVERY_S
        self._refreshing = False
        self._last: BoundModel | None = None
        self._reconnection = Reconnection(
            remote.breaker, self._ask_again, later=surroundings.later, clock=surroundings.clock
        )
        self._stopped = threading.Event()
        self._worker = Worker("partway-learner")
        self._asker = Worker("partway-questions")  # what is prepared for minutes must not keep a breaker open
        self._source: Source | None = None
        self._submit(self._open_source)

    def bound(self, feeds: Mapping[str, np.ndarray]) -> BoundModel | None:
        """The model under the binding of these feeds, once it is ready; the first call starts its preparation."""
        key = key_of(feeds)
        with self._lock:
            if key in self._bound:
                self._bound.move_to_end(key)
                return self._bound[key]
            self._bound[key] = None
            while len(self._bound) > _MOST_BINDINGS:
                forgotten, _ = self._bound.popitem(last=False)
                self._why_not.pop(forgotten, None)
                self._examples.pop(forgotten, None)
            self._examples[key] = dict(feeds)
        self._submit(partial(self._prepare, key))
        return None

    def why_not(self, feeds: Mapping[str, np.ndarray]) -> str:
        """Why there is no bound model for these feeds, in a sentence."""
        return self._why_not.get(key_of(feeds), "its cuts are still being prepared")

    def nudge(self, bound: BoundModel) -> None:
        """A request was answered: ask the server for news if the last ones are old.

        One that is left alone is asked when its pause is over, also if no request comes meanwhile.
        """
        self._last = bound
        self._reconnection.used()
        with self._lock:
            now_s = self._clock()
            if self._refreshing or not self._remote.breaker.closed:
                return
            padding_bytes = self._observer.next_question()
            every_s = _REFRESH_EVERY_S if bound.complete else self._every_s
            due = now_s - self._refreshed_s >= every_s
            if padding_bytes is None and not (due and self._observer.spare_question()):
                return
            self._refreshing = True
        self._ask(partial(self._refresh, bound, padding_bytes or 0))

    def wait(self, feeds: Mapping[str, np.ndarray], timeout_s: float) -> bool:
        """Wait until all costs for these feeds are known; whether they are."""
        deadline_s = self._clock() + timeout_s
        silences, poll_s = self._remote.breaker.silences, _POLL_S
        while (left_s := deadline_s - self._clock()) > 0 and not self._stopped.is_set():
            bound = self.bound(feeds)
            if bound is None and key_of(feeds) in self._why_not:
                return False
            if bound is not None and bound.complete:
                return True
            if bound is not None and not bound.unmeasured():
                _settle(self._ask(partial(self._refresh, bound)), left_s)
                if self._remote.breaker.silences >= silences + _SILENCES:
                    return False
            else:
                _settle(self._submit(lambda: None), left_s)  # whatever was begun before is done then
            self._stopped.wait(poll_s)
            poll_s = min(_LONGEST_POLL_S, _POLL_GROWS * poll_s)
        return False

    def settle(self, timeout_s: float) -> None:
        """Wait until what was begun in the background is done, or time has run out."""
        until_s = self._clock() + timeout_s
        _settle(self._submit(lambda: None), timeout_s)
        _settle(self._ask(lambda: None), max(0.0, until_s - self._clock()))  # what the other has asked for

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()
        self._reconnection.close()

    def close(self) -> None:
        """Stop; work that has begun is finished first."""
        self.stop()
        self._worker.close()
        self._asker.close()

    def _submit(self, work: Callable[[], object]) -> Future[object]:
        return self._worker.submit(partial(self._guard, work))

    def _ask(self, work: Callable[[], object]) -> Future[object]:
        return self._asker.submit(partial(self._guard, work))

    def _guard(self, work: Callable[[], object]) -> object:
        try:
            return work()
        except PartwayError as error:
            if not self._stopped.is_set():
                logger.warning("background_work_failed reason=%s", error)
            return None
        except Exception:  # our own mistake: logged here, since nobody may ever ask the future, and raised on
            logger.exception("background_work_broke")
            raise

    def _open_source(self) -> Source:
        # Once: a file that is replaced later is another model, and this session stays with its own.
        if self._source is None:
            source = Source.open(self._path, cache=self._cache)
            if file_stamp(self._path) != self._stamp:
                raise ModelError(f"{self._path} was replaced while the session was made; make a new session")
            self._source = source
        return self._source

    def _prepare(self, key: Key) -> None:
        with self._lock:
            feeds = self._examples.get(key)
        if feeds is None:
            return  # forgotten meanwhile
        try:
            bound = self._bind(feeds)
        except Exception as error:  # raised on; whatever it is, requests are told why they run alone
            self._why_not[key] = f"its cuts cannot be prepared: {error}"
            raise
        with self._lock:
            if key not in self._bound:
                return
            self._bound[key] = bound
            del self._examples[key]
        for cut in (*bound.unmeasured(), bound.device_only):  # the whole once more, in case requests disturbed it
            self._submit(partial(self._measure, key, cut, feeds))
        for cut in bound.offloaded:
            self._submit(partial(self._try_codecs, key, cut, feeds))
        for cut in bound.offloaded:
            self._submit(partial(self._make_tail, key, cut))
        self._ask(partial(self._refresh, bound))
        self._ask(lambda: self._refresh(bound, self._observer.next_question() or 0))  # the first tells the round trip

    def _bind(self, feeds: dict[str, np.ndarray]) -> BoundModel:
        source = self._open_source()
        binding = source.bind_feeds(feeds, self._values)
        model = canonicalise(source, binding, self._runtime, cache=self._cache)
        store = PieceStore(model, self._runtime)
        cuts = self._guide.cuts(model)
        store.want(cuts)
        store.promote()
        session = self._emulate(store.session(whole(model)))
        self._wait_idle()
        timing = time_session(session, feeds, effort=_QUICK)
        forecast = None if self._forecast is None else self._forecast(store, cuts)
        bound = BoundModel(
            model,
            store,
            emulate=self._emulate,
            whole_s=timing.median_s,
            forecast=forecast,
            guide=self._guide,
        )
        self._on_bound(source)
        logger.info("binding_ready digest=%s whole_s=%.4f cuts=%d", source.digest, timing.median_s, len(bound.cuts))
        return bound

    def _measure(self, key: Key, cut: Cut, feeds: Mapping[str, np.ndarray]) -> None:
        bound = self._bound.get(key)
        if cut.head is None or bound is None:
            return
        session = bound.session(cut.head)
        self._wait_idle()
        timing = time_session(session, {name: feeds[name] for name in cut.head.inputs}, effort=_QUICK)
        bound.learn_head(cut, timing.median_s)

    def _try_codecs(self, key: Key, cut: Cut, feeds: Mapping[str, np.ndarray]) -> None:
        bound = self._bound.get(key)
        codecs = () if bound is None else tuple(codec for untried, codec in bound.untried() if untried is cut)
        if bound is None or not codecs:
            return
        found: dict[str, Coding] = {}
        try:
            self._wait_idle()
            example = bound.example(cut, feeds)
            for codec in codecs:
                found[codec] = self._packer.measure(bound.model, cut, codec, example, turn=self._wait_idle)
        finally:  # a codec that failed once is not waited for
            for codec in codecs:
                bound.learn_coding(cut, codec, found.get(codec))

    def _make_tail(self, key: Key, cut: Cut) -> None:
        # Made before it is needed: a device that has to finish alone in haste makes no sessions.
        bound = self._bound.get(key)
        if bound is not None and cut.tail is not None:
            bound.session(cut.tail)

    def _wait_idle(self) -> None:
        self._traffic.wait_idle(_IDLE_WAIT_S)

    def _refresh(self, bound: BoundModel, padding_bytes: int = 0) -> None:
        try:
            if self._remote.breaker.claim():
                self._refreshed_s = self._clock()
                known = len(bound.choices.table)
                more: int | None = padding_bytes
                while more is not None and not self._stopped.is_set():
                    bound.learn_tails(self._remote.ask_costs(bound, padding_bytes=more))
                    more = self._observer.follow_up()
                told = len(bound.choices.table) > known
                self._every_s = _LEARN_EVERY_S if told else min(_REFRESH_EVERY_S, 2.0 * self._every_s)
        finally:
            with self._lock:
                self._refreshing = False
            self._reconnection.plan()

    def _ask_again(self) -> None:
        if self._last is not None:
            self._ask(partial(self._refresh, self._last))


def _settle(future: Future[object], timeout_s: float) -> None:
    with suppress(TimeoutError, CancelledError):
        future.exception(timeout_s)
