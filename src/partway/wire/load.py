"""How busy the server is: the report that travels on every answer.

In: a `Load`, made by the server. Out: response parameters, which the client turns back into a `Load`, and
the ORCA text header that load balancers read.

    arrives            its turn             answered
       |----- queue_s -----|----- service_s -----|
       |-------------- residence_s --------------|      network time = round trip - residence_s
"""

from collections.abc import Mapping
from dataclasses import dataclass

from partway.errors import WireError
from partway.wire.parameters import (
    LOAD_QUEUE_DELAY_US,
    LOAD_QUEUE_US,
    LOAD_SERVICE_US,
    LOAD_SLOWDOWN_PERMILLE,
)
from partway.wire.records import Parameter

ORCA_HEADER = "endpoint-load-metrics"
"""The gRPC metadata key of the ORCA report in its text form."""

# A day in a queue or a million times slower is a broken clock, not a load.
_MAX_SECONDS = 86_400.0
_MAX_SLOWDOWN = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The server's load, and what the answered request went through.

    Attributes:
        queue_delay_s: what a request that arrives now would wait, in seconds.
        slowdown: how many times longer than unloaded a tail takes now; above 0.
        service_s: seconds of this request once its turn came.
        queue_s: seconds that this request waited for its turn.

    Raises:
        WireError: a value is not finite, negative, or beyond a day or a million times.
    """

    queue_delay_s: float
    slowdown: float
    service_s: float
    queue_s: float

    def __post_init__(self) -> None:
        for name in ("queue_delay_s", "service_s", "queue_s"):
            value = getattr(self, name)
            # A NaN compares false, so it is refused too.
            if not 0.0 <= value <= _MAX_SECONDS:
                raise WireError(f"load has {name} = {value}; expected 0 to {_MAX_SECONDS:g} seconds")
        if not 0.0 < self.slowdown <= _MAX_SLOWDOWN:
            raise WireError(f"load has slowdown = {self.slowdown}; expected more than 0, at most {_MAX_SLOWDOWN:g}")

    @property
    def residence_s(self) -> float:
        """Seconds that this request spent inside the server."""
        return self.queue_s + self.service_s


def encode_load(load: Load) -> dict[str, Parameter]:
    """The load as response parameters: whole microseconds and thousandths."""
    return {
        LOAD_QUEUE_DELAY_US: round(load.queue_delay_s * 1e6),
        # Zero would say that tails take no time.
        LOAD_SLOWDOWN_PERMILLE: max(1, round(load.slowdown * 1e3)),
        LOAD_SERVICE_US: round(load.service_s * 1e6),
        LOAD_QUEUE_US: round(load.queue_s * 1e6),
    }


def decode_load(parameters: Mapping[str, Parameter]) -> Load | None:
    """The load in a response's parameters; None when there is none, as from a plain OIP server.

    Args:
        parameters: of the response as a whole; others in it are ignored.

    Raises:
        WireError: some of the four are missing, not integers, or out of range.
    """
    names = (LOAD_QUEUE_DELAY_US, LOAD_SLOWDOWN_PERMILLE, LOAD_SERVICE_US, LOAD_QUEUE_US)
    if not any(name in parameters for name in names):
        return None
    queue_delay_us, slowdown_permille, service_us, queue_us = (_integer(parameters, name) for name in names)
    return Load(
        queue_delay_s=queue_delay_us / 1e6,
        slowdown=slowdown_permille / 1e3,
        service_s=service_us / 1e6,
        queue_s=queue_us / 1e6,
    )


def _integer(parameters: Mapping[str, Parameter], name: str) -> int:
    value = parameters.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(f"load parameter {name!r} is {value!r}; expected an integer")
    return value


def encode_orca(load: Load) -> str:
    """The load as the text form of an ORCA report, the value of `ORCA_HEADER`.

    Source: the ORCA load report design, 'TEXT' format: `key=value` pairs between commas, application metrics
    under `named_metrics.`; plain decimals, since not every reader knows exponents.
    """
    metrics = {
        "queue_delay_s": load.queue_delay_s,
        "slowdown": load.slowdown,
        "service_s": load.service_s,
        "queue_s": load.queue_s,
    }
    return "TEXT " + ", ".join(f"named_metrics.{name}={value:.6f}" for name, value in metrics.items())
