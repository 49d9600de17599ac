"""What one request came to: outputs, where it was cut, and where its seconds went."""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One answered request.

    Attributes:
        outputs: arrays in the order asked for.
        output_names: their names.
        crossing: tensors that were sent; empty when the device ran alone.
        offloaded: whether the server's answer is in the outputs.
        fell_back: whether the server was asked in vain and the device finished alone.
        hedged: whether the answer was late, so that the device began to finish alone beside the server.
        hedge_wait_s: how long the answer was to be waited for before that; None where the server was not asked.
        device_s: head, encoding and decoding; with `fell_back` the wait and the local tail too.
        uplink_s: the crossing tensors on their way; the network's time is shared out as the link is
            believed to share it.
        server_s: queue and tail.
        downlink_s: the answer on its way.
        total_s: the whole request.
        up_bytes: length of the request on the wire.
        down_bytes: length of the answer on the wire.
        expected_s: what the decision expected; None when none was made.
        reason: why this cut, in a sentence.
        codec: what the crossing tensors, or some of them, were packed with; `raw` where they travelled as they are.
        emulated_slowdown: 1, or the factor that an emulated device was slowed by.
    """

    outputs: tuple[np.ndarray, ...]
    output_names: tuple[str, ...]
    crossing: tuple[str, ...]
    offloaded: bool
    fell_back: bool
    hedged: bool
    hedge_wait_s: float | None
    device_s: float
    uplink_s: float
    server_s: float
    downlink_s: float
    total_s: float
    up_bytes: int
    down_bytes: int
    expected_s: float | None
    reason: str
    codec: str
    emulated_slowdown: float

    @property
    def won_by(self) -> Literal["device", "server"]:
        """Whose outputs these are, as far as the cut left them to either."""
        return "server" if self.offloaded else "device"
