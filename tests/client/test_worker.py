import gc
import threading
import weakref
from concurrent.futures import CancelledError

import pytest

from partway.client.worker import Worker


def test_work_is_done_in_order_and_errors_reach_whoever_waits() -> None:
    worker = Worker("test")
    done: list[int] = []
    futures = [worker.submit(lambda number=number: done.append(number)) for number in range(100)]  # type: ignore[misc] # typed default  # a default
    futures[-1].result()
    assert done == list(range(100))
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 // 0).result()
    assert worker.submit(lambda: 7).result() == 7
    worker.close()


def test_closing_finishes_what_has_begun_and_drops_the_rest() -> None:
    worker = Worker("test")
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> str:
        begun.set()
        go_on.wait(60)
        return "finished"

    first, second = worker.submit(wait), worker.submit(lambda: "never")
    begun.wait(60)
    closing = threading.Thread(target=worker.close)
    closing.start()
    go_on.set()
    closing.join()
    assert first.result() == "finished"
    assert worker.submit(lambda: None).cancelled()
    if second.cancelled():
        with pytest.raises(CancelledError):
            second.result()
    worker.close()


def test_a_forgotten_worker_leaves_no_thread() -> None:
    worker = Worker("forgotten")
    forgotten = weakref.ref(worker)
    del worker
    gc.collect()
    assert forgotten() is None
    assert "forgotten" not in {thread.name for thread in threading.enumerate()}
