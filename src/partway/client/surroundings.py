"""What a session asks of the world beside its server: the time, a wait, chance, the battery, and to be called later.

Made once for each session and handed to all that it is made of, so that a test or a simulation can stand in for the
world as a whole.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from partway.engine import Clock, Sleep
from partway.planning import Charge, read_charge

Later = Callable[[float, Callable[[], object]], Callable[[], None]]
"""Has something called after so many seconds, on any thread; gives what calls that off."""


def call_later(delay_s: float, callback: Callable[[], object]) -> Callable[[], None]:
    """Have something called later on a thread of its own, which never keeps a program from ending.

    Args:
        delay_s: after so many seconds.
        callback: must not raise.

    Returns:
        What calls it off.
    """
    timer = threading.Timer(delay_s, callback)
    timer.daemon = True
    timer.name = "partway-timer"
    timer.start()
    return timer.cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world, or what stands in for it.

    Attributes:
        clock: seconds, monotonic.
        sleep: waits for seconds.
        generator: jitters what many clients would otherwise do at the same moment.
        later: has something called after a while.
        charge: how full the battery is.
    """

    clock: Clock = time.monotonic
    sleep: Sleep = time.sleep
    generator: np.random.Generator = field(default_factory=np.random.default_rng)
    later: Later = call_later
    charge: Charge = read_charge
