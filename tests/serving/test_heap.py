import asyncio
import subprocess
import sys
import threading

import pytest

from partway.serving.heap import find_trim, keep_trimmed

# Blocks too small for pages of their own, every second hundred of which stays: what lies between cannot go by itself.
_FRAGMENTED = """
import psutil
from partway.serving.heap import find_trim

def resident_bytes():
    return psutil.Process().memory_info().rss

blocks = [b"x" * 16_000 for _ in range(10_000)]
kept = blocks[::200]
del blocks
before = resident_bytes()
find_trim()()
print(before - resident_bytes())
"""


@pytest.mark.skipif(find_trim() is None, reason="the C library has no malloc_trim")
def test_what_was_freed_between_what_is_in_use_goes_back_to_the_system() -> None:
    ended = subprocess.run([sys.executable, "-c", _FRAGMENTED], capture_output=True, text=True, check=True)
    assert int(ended.stdout) > 100e6  # of 160 MB


def test_it_is_given_back_again_and_again_on_another_thread_until_the_server_ends() -> None:
    async def run() -> list[int]:
        found: list[int] = []
        loop, twice = asyncio.get_running_loop(), asyncio.Event()

        def trim() -> None:
            found.append(threading.get_ident())
            if len(found) == 2:
                loop.call_soon_threadsafe(twice.set)

        trimming = asyncio.create_task(keep_trimmed(trim, every_s=0.0))
        await twice.wait()
        trimming.cancel()
        return found

    assert threading.get_ident() not in asyncio.run(run())


def test_a_c_library_without_such_a_call_is_left_alone() -> None:
    asyncio.run(keep_trimmed(None))
