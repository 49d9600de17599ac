"""One thread that works off what it is given, and that never keeps a program from ending.

A thread pool would: at the end of a program it works off its queue first. Here what has begun is finished, and what
has not is dropped. Called by the learner.
"""

import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future

_Item = tuple[Callable[[], object], "Future[object]"]


class Worker:
    """Runs callables one after the other on a thread of its own.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        thread = threading.Thread(target=_work_off, args=(self._items, self._stopped), name=name, daemon=True)
        thread.start()
        # Also when the worker is forgotten, and at the end of the program.
        self._finish = weakref.finalize(self, _finish, self._items, self._stopped, thread)

    def submit(self, work: Callable[[], object]) -> "Future[object]":
        """Run `work` when its turn comes; its future is cancelled when the worker stops before."""
        future: Future[object] = Future()
        if self._stopped.is_set():
            future.cancel()
        else:
            self._items.put((work, future))
        return future

    def close(self) -> None:
        """Finish what has begun and drop the rest. Repeated calls do nothing."""
        self._finish()


def _work_off(items: "queue.SimpleQueue[_Item | None]", stopped: threading.Event) -> None:
    while (item := items.get()) is not None:
        work, future = item
        if stopped.is_set():
            future.cancel()
            continue
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
        del item, work, future  # a worker that waits holds nothing


def _finish(items: "queue.SimpleQueue[_Item | None]", stopped: threading.Event, thread: threading.Thread) -> None:
    stopped.set()
    items.put(None)
    if thread is not threading.current_thread():
        thread.join()
