"""Laws of queues: whatever comes, nothing is lost, nobody overtakes, and no worker rests while somebody waits."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.strategies import TIMES, WORKERS, Some, requests

from partway.errors import InputError
from partway.simulation.arrivals import poisson
from partway.simulation.compiling import plain
from partway.simulation.distributions import Constant, Exponential, FloatArray, of_variation
from partway.simulation.queue_loops import serve_in_batches, serve_in_order
from partway.simulation.queues import (
    Batching,
    Played,
    Queue,
    QueueTask,
    measure,
    play,
    serve,
    serve_batches,
)

laws = settings(max_examples=60, derandomize=True)


def by_a_heap(some: Some, workers: int) -> FloatArray:
    """First come, first served, written as plainly as can be."""
    free_s = [0.0] * workers
    starts_s = []
    for arrival_s, service_s in zip(some.arrivals_s.tolist(), some.services_s.tolist(), strict=True):
        start_s = max(arrival_s, free_s[0])
        heapq.heapreplace(free_s, start_s + service_s)
        starts_s.append(start_s)
    return np.array(starts_s)


def ends_s(played: Played) -> FloatArray:
    return played.starts_s + played.services_s


@laws
@given(requests(), WORKERS)
def test_services_begin_when_a_plain_heap_says(some: Some, workers: int) -> None:
    assert serve(*some, workers).starts_s.tolist() == by_a_heap(some, workers).tolist()


def test_a_long_queue_is_the_plain_heap_s_to_the_last_bit() -> None:
    queue = Queue(arrivals=poisson(900.0), service=of_variation(0.1, 2.0), workers=97)
    played = play(queue, 20_000, np.random.SeedSequence(5))
    expected = by_a_heap(Some(played.arrivals_s, played.services_s), 97)
    assert np.array_equal(played.starts_s, expected)


@laws
@given(requests())
def test_one_worker_follows_lindley_s_recursion(some: Some) -> None:
    waits_s = serve(*some, 1).starts_s - some.arrivals_s
    expected_s = 0.0
    for place, wait_s in enumerate(waits_s):
        if place:
            gap_s = some.arrivals_s[place] - some.arrivals_s[place - 1]
            expected_s = max(0.0, expected_s + some.services_s[place - 1] - gap_s)
        assert wait_s == pytest.approx(expected_s, abs=1e-9)


@laws
@given(requests(), WORKERS)
def test_nobody_begins_before_coming_or_before_an_earlier_request(some: Some, workers: int) -> None:
    starts_s = serve(*some, workers).starts_s
    assert (starts_s >= some.arrivals_s).all()
    assert (np.diff(starts_s) >= 0).all()


@laws
@given(requests(), WORKERS)
def test_there_are_never_more_in_service_than_workers(some: Some, workers: int) -> None:
    played = serve(*some, workers)
    for at_s in played.starts_s:
        assert ((played.starts_s <= at_s) & (ends_s(played) > at_s)).sum() <= workers


@laws
@given(requests(), WORKERS)
def test_work_is_conserved_no_worker_rests_while_somebody_waits(some: Some, workers: int) -> None:
    played = serve(*some, workers)
    for arrival_s, start_s in zip(played.arrivals_s, played.starts_s, strict=True):
        if start_s > arrival_s:
            before = (played.starts_s <= np.nextafter(start_s, 0)) & (ends_s(played) >= start_s)
            assert before.sum() >= workers


@laws
@given(requests(), WORKERS, st.floats(0, 100))
def test_who_came_has_left_or_is_there_still(some: Some, workers: int, at_s: float) -> None:
    played = serve(*some, workers)
    came = (played.arrivals_s <= at_s).sum()
    left = (ends_s(played) <= at_s).sum()
    inside = ((played.arrivals_s <= at_s) & (ends_s(played) > at_s)).sum()
    assert came == left + inside


@laws
@given(requests(), WORKERS)
def test_little_s_law_holds_over_a_whole_history(some: Some, workers: int) -> None:
    """The requests inside, integrated over time, are the responses added up."""
    played = serve(*some, workers)
    moments = np.unique(np.concatenate([played.arrivals_s, ends_s(played)]))
    middles = (moments[1:] + moments[:-1]) / 2
    inside = [((played.arrivals_s <= at_s) & (ends_s(played) > at_s)).sum() for at_s in middles]
    assert np.dot(inside, np.diff(moments)) == pytest.approx(played.responses_s.sum(), abs=1e-6)


@laws
@given(requests(), WORKERS)
def test_workers_are_busy_for_as_long_as_what_they_serve_takes(some: Some, workers: int) -> None:
    played = serve(*some, workers)
    everything = (0.0, float(ends_s(played).max()) + 1.0)
    assert played.busy_s(everything) == pytest.approx(some.services_s.sum(), abs=1e-9)


@laws
@given(requests(), st.integers(1, 5))
def test_more_workers_make_nobody_wait_longer(some: Some, workers: int) -> None:
    assert (serve(*some, workers + 1).starts_s <= serve(*some, workers).starts_s + 1e-9).all()


@laws
@given(requests(), WORKERS, st.integers(1, 5), TIMES)
def test_batches_are_in_order_no_larger_than_allowed_and_wait_no_longer(
    some: Some, workers: int, largest: int, wait_s: float
) -> None:
    batching = Batching(seconds=tuple(1.0 + 0.25 * size for size in range(largest)), wait_s=wait_s)
    played = serve_batches(some.arrivals_s, np.ones(some.arrivals_s.size), workers, batching)
    assert played.runs is not None
    assert (played.starts_s >= some.arrivals_s).all()
    assert (np.diff(played.starts_s) >= 0).all()
    sizes = [(played.starts_s == start_s).sum() for start_s in np.unique(played.starts_s)]
    assert max(sizes) <= largest * workers
    for row, (start_s, end_s) in enumerate(played.runs):
        earlier = played.runs[:row]
        assert ((earlier[:, 0] <= start_s) & (earlier[:, 1] > start_s)).sum() < workers
        assert end_s - start_s <= batching.seconds[-1] + 1e-9


@laws
@given(requests(), WORKERS, st.integers(1, 5))
def test_a_free_worker_that_waits_for_nobody_takes_whoever_is_there(some: Some, workers: int, largest: int) -> None:
    batching = Batching(seconds=(1.0,) * largest)
    played = serve_batches(some.arrivals_s, np.ones(some.arrivals_s.size), workers, batching)
    assert played.runs is not None
    for arrival_s, start_s in zip(some.arrivals_s, played.starts_s, strict=True):
        if start_s > arrival_s:
            busy = (played.runs[:, 0] < start_s) & (played.runs[:, 1] >= start_s)
            assert busy.sum() >= workers


@laws
@given(requests(), WORKERS)
def test_batches_of_one_are_no_batches(some: Some, workers: int) -> None:
    alone = serve(some.arrivals_s, np.ones(some.arrivals_s.size), workers)
    batched = serve_batches(
        some.arrivals_s, np.ones(some.arrivals_s.size), workers, Batching(seconds=(1.0,), wait_s=3.0)
    )
    assert batched.starts_s.tolist() == alone.starts_s.tolist()


def test_a_batch_waits_until_it_is_full_or_its_first_has_waited_enough() -> None:
    arrivals_s = np.array([0.0, 0.4, 3.0, 3.1, 3.2, 3.3])
    batching = Batching(seconds=(1.0, 1.0, 1.0), wait_s=0.5)
    played = serve_batches(arrivals_s, np.ones(6), 1, batching)
    assert played.starts_s == pytest.approx([0.5, 0.5, 3.2, 3.2, 3.2, 4.2])


@laws
@given(requests(most=15), WORKERS, st.integers(1, 4))
def test_what_is_compiled_is_what_is_written(some: Some, workers: int, largest: int) -> None:
    compiled_s, plain_s = np.empty_like(some.arrivals_s), np.empty_like(some.arrivals_s)
    serve_in_order(*some, workers, compiled_s)
    plain(serve_in_order)(*some, workers, plain_s)
    assert compiled_s.tolist() == plain_s.tolist()
    seconds, found = np.linspace(1.0, 2.0, largest), []
    for loop in (serve_in_batches, plain(serve_in_batches)):
        written = [np.zeros_like(some.arrivals_s) for _ in range(3)]
        count = loop(some.arrivals_s, workers, 0.5, seconds, some.services_s, *written)
        found.append((count, [array.tolist() for array in written]))
    assert found[0] == found[1]


def test_the_same_seed_plays_the_same_and_another_does_not() -> None:
    queue = Queue(arrivals=poisson(5.0), service=Exponential(mean_s=0.1))
    first, again = (play(queue, 1000, np.random.SeedSequence(1)) for _ in range(2))
    assert first.starts_s.tolist() == again.starts_s.tolist()
    assert play(queue, 1000, np.random.SeedSequence(2)).starts_s.tolist() != first.starts_s.tolist()


def test_other_workers_and_services_meet_the_same_arrivals() -> None:
    queues = [
        Queue(arrivals=poisson(5.0), service=service, workers=workers)
        for service, workers in ((Exponential(mean_s=0.1), 1), (Constant(mean_s=0.2), 3))
    ]
    first, other = (play(queue, 1000, np.random.SeedSequence(1)) for queue in queues)
    assert first.arrivals_s.tolist() == other.arrivals_s.tolist()


@pytest.mark.parametrize("workers", [1, 4])
def test_the_utilisation_is_the_load_and_answers_come_at_the_rate_of_arrivals(workers: int) -> None:
    queue = Queue(arrivals=poisson(1.0), service=of_variation(1.0, 0.5), workers=workers).at_load(0.8)
    run = QueueTask(queue=queue, jobs=200_000)(np.random.SeedSequence(3))
    assert run.utilisation == pytest.approx(0.8, rel=0.01)
    assert run.throughput_per_s == pytest.approx(queue.arrivals.rate_per_s, rel=0.01)
    assert run.mean_s == pytest.approx(run.mean_wait_s + 1.0, rel=0.01)
    assert run.p50_s <= run.p95_s <= run.p99_s
    assert run.mean_batch == 1.0


def test_batches_grow_with_the_load_and_bear_more_than_one_by_one() -> None:
    batching = Batching(seconds=tuple(0.01 * (1 + 0.2 * more) for more in range(8)))
    queue = Queue(arrivals=poisson(1.0), service=Constant(mean_s=0.01), batching=batching)
    assert queue.capacity_per_s == pytest.approx(8 / 0.024)
    light, heavy = (
        QueueTask(queue=queue.at_load(load), jobs=50_000)(np.random.SeedSequence(0)) for load in (0.05, 0.9)
    )
    assert light.mean_batch == pytest.approx(1.0, abs=0.1)
    assert heavy.mean_batch > 4
    assert heavy.throughput_per_s > 2 * (1 / 0.01)
    assert heavy.utilisation > light.utilisation


def test_a_run_of_one_request_has_no_rate_and_is_no_error() -> None:
    run = measure(serve(np.array([1.0]), np.array([2.0]), 1), 1, 0.1)
    assert (run.mean_s, run.p95_s, run.throughput_per_s, run.utilisation) == (2.0, 2.0, 0.0, 0.0)


def test_what_cannot_be_played_is_refused() -> None:
    queue = Queue(arrivals=poisson(1.0), service=Constant(mean_s=0.1))
    with pytest.raises(InputError, match="at least 1"):
        play(queue, 0, np.random.SeedSequence(0))
    with pytest.raises(InputError, match="needs at least 1"):
        Queue(arrivals=poisson(1.0), service=Constant(mean_s=0.1), workers=0)
    with pytest.raises(InputError, match="finite and above 0"):
        queue.at_load(math.inf)
    with pytest.raises(InputError, match="seconds of batches"):
        Batching(seconds=())
    with pytest.raises(InputError, match="not negative"):
        Batching(seconds=(1.0,), wait_s=-1.0)
    with pytest.raises(InputError, match="must be 1"):
        Batching(seconds=(1.0,), factor=Constant(mean_s=2.0))
