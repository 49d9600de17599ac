import asyncio
import threading

from tests.serving.support import PATIENCE_S, Clock

from partway.serving.lookout import Lookout


def test_however_many_ask_one_scan_runs_and_the_next_a_second_later() -> None:
    begun, over, scans = threading.Event(), threading.Event(), []

    def scan() -> None:
        scans.append(1)
        begun.set()
        assert over.wait(PATIENCE_S)

    async def ask() -> None:
        clock = Clock()
        lookout = Lookout(scan, clock=clock)
        asking = [asyncio.create_task(lookout.look()) for _ in range(50)]
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        asking[0].cancel()
        clock.advance(10.0)
        asking += [asyncio.create_task(lookout.look()) for _ in range(50)]
        await asyncio.sleep(0)
        over.set()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(scans) == 1
        clock.now_s -= 9.5
        await lookout.look()
        assert len(scans) == 1
        clock.advance(1.0)
        await lookout.look()
        assert len(scans) == 2

    asyncio.run(ask())


def test_a_folder_that_cannot_be_read_for_a_while_ends_nothing() -> None:
    def scan() -> None:
        raise PermissionError("closed")

    asyncio.run(Lookout(scan, clock=Clock()).look())
