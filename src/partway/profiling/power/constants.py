"""Watts for machines without a meter: published ones, stated assumptions, or the user's own.

Input: a name or `idle=2.7W,active=6.4W`. Output: a `ConstantPower`, which turns seconds into joules. What comes of
it is never a measurement: it carries the kind `constant`, its source, and whether that is an assumption. Called by
the command line and by profiling.
"""

import math
import time
from functools import partial

import msgspec

from partway import units
from partway.engine import Clock
from partway.errors import InputError
from partway.profiling.power.meters import Integral, Meter

_EXAMPLE = "idle=2.7W,active=6.4W"


class ConstantPower(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a machine draws when it computes and when it waits.

    A msgspec record because profiles store it.

    Attributes:
        name: the machine.
        idle_w: watts while it waits, >= 0.
        active_w: watts while it computes on every core, >= idle_w.
        source: who says so.
        assumed: whether one of them is an assumption and not published.

    Raises:
        InputError: watts are negative, not finite, or fewer when computing than when waiting.
    """

    name: str
    idle_w: float
    active_w: float
    source: str
    assumed: bool = False

    def __post_init__(self) -> None:
        """Refuse watts that no machine draws."""
        if not 0 <= self.idle_w <= self.active_w < math.inf:
            raise InputError(
                f"a machine that draws {self.idle_w:g} W idle and {self.active_w:g} W active cannot be; "
                "give two finite powers, the idle one not above the active one"
            )

    def energy_j(self, busy_s: float, waiting_s: float = 0.0) -> float:
        """Joules of so many seconds of computing and waiting.

        Args:
            busy_s: seconds on every core, >= 0.
            waiting_s: seconds idle, >= 0.
        """
        return self.active_w * busy_s + self.idle_w * waiting_s

    def meter(self, clock: Clock = time.perf_counter) -> Meter:
        """A meter that counts every second that it is open as busy.

        Args:
            clock: seconds, monotonic.
        """
        scope = f"{self.name}, not measured: {self.active_w:g} W for every second ({self.source})"
        start = partial(Integral, lambda: self.active_w, clock)
        return Meter(name=f"constant:{self.name}", scope=scope, start=start, resolution_s=0.0, kind="constant")


NAMED_POWERS = {
    power.name: power
    for power in (
        ConstantPower(
            name="raspberry-pi-4",
            idle_w=2.7,
            active_w=6.4,
            source="Raspberry Pi Dramble, Power Consumption Benchmarks: model 4 B, idle and under `stress --cpu 4`",
        ),
        ConstantPower(
            name="jetson-nano-10w",
            idle_w=1.6,
            active_w=10.0,
            source="active: budget of its 10 W mode, NVIDIA Jetson Linux Developer Guide; idle: assumed as the "
            "Jetson TK1's board",
            assumed=True,
        ),
        ConstantPower(
            name="jetson-nano-5w",
            idle_w=1.6,
            active_w=5.0,
            source="active: budget of its 5 W mode, NVIDIA Jetson Linux Developer Guide; idle: assumed as the "
            "Jetson TK1's board",
            assumed=True,
        ),
        ConstantPower(
            name="jetson-tk1",
            idle_w=1.6,
            active_w=10.0,
            source="idle: whole board, eLinux wiki, Jetson TK1 Power; active: assumed, between the 4 W that its chip "
            "rarely exceeds and the 15 W that it can reach (same page)",
            assumed=True,
        ),
        ConstantPower(
            name="laptop",
            idle_w=5.0,
            active_w=28.0,
            source="assumed: 28 W is the base power of Intel's thin-laptop processors (Core i7-1260P)",
            assumed=True,
        ),
        ConstantPower(
            name="server-core",
            idle_w=1.0,
            active_w=4.4,
            source="assumed: one core's share of 280 W over 64 cores (AMD EPYC 7763)",
            assumed=True,
        ),
    )
}
"""Machines whose watts are known by name."""


def parse_power(text: str) -> ConstantPower:
    """The power that `text` names or gives.

    Args:
        text: a name of `NAMED_POWERS` in any case, or `idle=` and `active=` with their unit; idle is 0 unless given.

    Raises:
        InputError: an unknown name, an unknown, repeated or missing key, or no watts.
    """
    text = text.strip()
    named = NAMED_POWERS.get(text.lower())
    if named is not None:
        return named
    if "=" not in text:
        raise InputError(f"{text!r} is no power; write {_EXAMPLE}, or one of {', '.join(NAMED_POWERS)}")
    watts: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in ("idle", "active") or key in watts:
            raise InputError(f"{part.strip()!r} in the power {text!r} is not understood; write for instance {_EXAMPLE}")
        try:
            watts[key] = units.parse_power(value)
        except InputError as error:
            raise InputError(f"{part.strip()!r} in the power {text!r}: {error}, for instance {_EXAMPLE}") from error
    if "active" not in watts:
        raise InputError(f"the power {text!r} has no 'active='; write for instance {_EXAMPLE}")
    return ConstantPower(name="given", idle_w=watts.get("idle", 0.0), active_w=watts["active"], source="the user")
