"""Ends what benchmarks started when they are told to end themselves.

SIGTERM would end a program at once and leave its servers behind; here it ends as an exception does. Ctrl-C raises by
itself. Called by every benchmark that starts processes.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


def end_in_order() -> None:
    """Let SIGTERM end this program as an exception does, from now on; from the main thread."""
    signal.signal(signal.SIGTERM, _leave)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """The same while the block lasts; nothing where this is not the main thread, which alone hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
