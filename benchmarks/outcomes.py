"""What came of requests while faults were injected: asked from several threads, judged, counted by kind of fault.

Input: a session, inputs, the right answers. Output: an `Outcome` a request, and a `Row` a kind of fault. Called by
`benchmarks.faults`.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from partway.cli.bench_contest import Feeds, Judge
from partway.client import InferenceSession

CALM, MET = "calm", "met"
_THREADS, _THINK_S = 3, 0.02
_RECOVERY_S, _HUNG_S = 10.0, 60.0
_NAP_S, _STALL_S = 0.005, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One request.

    Attributes:
        during: the fault that it met at its start or at its end; `calm` for none.
        total_s: until it was answered, or lost.
        lost: what came instead of an answer; empty when there was one.
        wrong: whether the answer is not the whole model's.
        offloaded: whether the server's answer is in it.
        fell_back: whether the server was asked in vain.
        hedged: whether the device began to finish before the server's answer came.
        wait_s: how long the server's answer was to be waited for before that; 0 where the server was not asked.
        stalled_s: of `total_s`, how long this process could not even wake from a short sleep: a busy machine's doing.
        device_s: of `total_s`, what the device computed or waited; 0 for the lost.
        reason: why it ran where it ran, as the session says; empty for the lost.
        hit: whether it asked the server and was under way while harm was done, not only while that was recovered from.
    """

    during: str
    total_s: float
    lost: str = ""
    wrong: bool = False
    offloaded: bool = False
    fell_back: bool = False
    hedged: bool = False
    wait_s: float = 0.0
    stalled_s: float = 0.0
    device_s: float = 0.0
    reason: str = ""
    hit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one kind of fault did.

    Attributes:
        kind: of the fault; `calm` between them, `met` for all but the calm, `all` for all.
        injected: how often.
        requests: that met it.
        hit: of these, asked the server and were under way while harm was done.
        offloaded: answered by the server.
        fell_back: asked the server in vain.
        hedged: begun on the device while the server was still awaited.
        lost: without an answer.
        wrong: with another one than the whole model's.
        median_s: of the answered.
        p99_s: of the answered.
        beyond_wait_s: 99th percentile of the seconds of each answered one, less its own hedge's wait.
        most_s: of the answered.
        wait_s: the hedge's wait of those that asked the server: 99 % waited no longer; 0 where none asked.
        recovery_s: from a fault's end until the server answered again: median, and the most; 0 for none.
        most_recovery_s: the most.
        unrecovered: faults after which it did not within some seconds.
    """

    kind: str
    injected: int
    requests: int
    hit: int
    offloaded: int
    fell_back: int
    hedged: int
    lost: int
    wrong: int
    median_s: float
    p99_s: float
    beyond_wait_s: float
    most_s: float
    wait_s: float
    recovery_s: float
    most_recovery_s: float
    unrecovered: int


@dataclass(slots=True)
class Diary:
    """What happens now, and what came of every request so far; written by many threads.

    Attributes:
        now: the fault that lasts, or is recovered from; `calm` for none.
        harming: whether it lasts.
        outcomes: of requests.
        served_s: when the last request began that the server answered, by the monotonic clock.
        stalls: when each ended, and how long it was.
    """

    now: str = CALM
    harming: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    served_s: float = 0.0
    stalls: list[tuple[float, float]] = field(default_factory=list)

    def met(self, before: str) -> str:
        """The fault that a request met: the one at its start, else the one now."""
        return before if before != CALM else self.now

    def hit(self, before: str, *, harming: bool) -> bool:
        """Whether harm was done while a request was under way, by what was so at its start and is now."""
        return harming or (before == CALM and self.now != CALM)

    def stalled_s(self, since_s: float) -> float:
        """How long all stalls were that ended since then."""
        recent = itertools.takewhile(lambda stall: stall[0] >= since_s, reversed(self.stalls))
        return sum(seconds for _, seconds in recent)

    def watch(self, stop: threading.Event) -> None:
        """Sleep shortly again and again until told to stop, and note when that took far too long."""
        while not stop.is_set():
            start_s = time.monotonic()
            time.sleep(_NAP_S)
            end_s = time.monotonic()
            if end_s - start_s > _STALL_S:
                self.stalls.append((end_s, end_s - start_s))


def ask(session: InferenceSession, feeds: Feeds, judge: Judge, diary: Diary) -> Outcome:
    """One request, judged.

    Args:
        session: to ask.
        feeds: what.
        judge: knows the right answer.
        diary: of what happens meanwhile.
    """
    before, harming, start_s = diary.now, diary.harming, time.monotonic()
    try:
        result = session.run_detailed(None, feeds)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller got no answer, and that is counted
        return Outcome(during=diary.met(before), total_s=time.monotonic() - start_s, lost=repr(error))
    total_s = time.monotonic() - start_s
    if result.offloaded:
        diary.served_s = max(diary.served_s, start_s)
    _, wrong = judge.compare(feeds, dict(zip(result.output_names, result.outputs, strict=True)))
    return Outcome(
        during=diary.met(before),
        total_s=total_s,
        wrong=wrong,
        offloaded=result.offloaded,
        fell_back=result.fell_back,
        hedged=result.hedged,
        wait_s=result.hedge_wait_s or 0.0,
        stalled_s=diary.stalled_s(start_s),
        device_s=result.device_s,
        reason=result.reason,
        hit=(result.offloaded or result.fell_back) and diary.hit(before, harming=harming),
    )


@contextmanager
def asking(session: InferenceSession, inputs: Sequence[Feeds], judge: Judge, seed: int) -> Iterator[Diary]:
    """Ask from several threads, each with pauses of its own, while the block lasts.

    A thread that does not come back is a lost request.

    Args:
        session: to ask.
        inputs: taken in turn.
        judge: knows the right answers.
        seed: of the pauses.
    """
    diary, stop = Diary(), threading.Event()

    def ask_on(number: int) -> None:
        generator = np.random.default_rng([seed, number])
        for feeds in itertools.cycle(inputs):
            if stop.wait(float(generator.exponential(_THINK_S))):
                return
            diary.outcomes.append(ask(session, feeds, judge, diary))

    threads = [threading.Thread(target=ask_on, args=(number,), daemon=True) for number in range(_THREADS)]
    watcher = threading.Thread(target=diary.watch, args=(stop,), daemon=True)
    for thread in (*threads, watcher):
        thread.start()
    try:
        yield diary
    finally:
        stop.set()
        for thread in threads:
            thread.join(_HUNG_S)
            if thread.is_alive():
                diary.outcomes.append(Outcome(during=diary.now, total_s=_HUNG_S, lost="no answer, and no error"))


@dataclass(slots=True)
class Recoveries:
    """How soon the server answered again.

    Attributes:
        seconds: by kind, from the end of each fault until it answered a request that began after it.
        unrecovered: by kind, how often it did not for longer than was waited.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    unrecovered: Counter[str] = field(default_factory=Counter)

    def wait(self, kind: str, diary: Diary) -> None:
        """Wait until the server answers a request that begins now, or has been silent for too long."""
        ended_s = time.monotonic()
        while diary.served_s <= ended_s:
            if time.monotonic() - ended_s > _RECOVERY_S:
                self.unrecovered[kind] += 1
                return
            time.sleep(0.005)
        self.seconds.setdefault(kind, []).append(diary.served_s - ended_s)


def rows_of(outcomes: Sequence[Outcome], injected: Mapping[str, int], recoveries: Recoveries) -> list[Row]:
    """A row for every kind that was injected, for the calm between them, for all that met a fault, and for all."""
    groups = {kind: [one for one in outcomes if one.during == kind] for kind in (*injected, CALM)}
    rows = [
        row_of(kind, found, injected.get(kind, 0), recoveries.seconds.get(kind, []), recoveries.unrecovered[kind])
        for kind, found in groups.items()
    ]
    every = [seconds for found in recoveries.seconds.values() for seconds in found]
    faults, unrecovered = sum(injected.values()), recoveries.unrecovered.total()
    met = [one for one in outcomes if one.during != CALM]
    return [
        *rows,
        row_of(MET, met, faults, every, unrecovered),
        row_of("all", outcomes, faults, every, unrecovered),
    ]


def row_of(
    kind: str, found: Sequence[Outcome], injected: int = 0, recovered_s: Sequence[float] = (), unrecovered: int = 0
) -> Row:
    """The row of some requests.

    Args:
        kind: what they met.
        found: what came of them.
        injected: faults of this kind.
        recovered_s: seconds until the server answered again, after each.
        unrecovered: faults after which it did not.
    """
    answered = [one for one in found if not one.lost]
    seconds = [one.total_s for one in answered] or [0.0]
    beyond = [one.total_s - one.wait_s for one in answered] or [0.0]
    median_s, p99_s = (float(q) for q in np.quantile(seconds, (0.5, 0.99)))
    return Row(
        kind=kind,
        injected=injected,
        requests=len(found),
        hit=sum(one.hit for one in found),
        offloaded=sum(one.offloaded for one in found),
        fell_back=sum(one.fell_back for one in found),
        hedged=sum(one.hedged for one in found),
        lost=sum(bool(one.lost) for one in found),
        wrong=sum(one.wrong for one in found),
        median_s=median_s,
        p99_s=p99_s,
        beyond_wait_s=float(np.quantile(beyond, 0.99)),
        most_s=max(seconds),
        wait_s=float(np.quantile([one.wait_s for one in found if one.wait_s] or [0.0], 0.99)),
        recovery_s=float(np.median(recovered_s)) if recovered_s else 0.0,
        most_recovery_s=max(recovered_s, default=0.0),
        unrecovered=unrecovered,
    )
