"""What every cut of a network costs, by the terms of the paper's Algorithm 1.

    cut k of N layers:   0 is server-only, N is device-only, k runs the first k layers on the device

Input: a network and two machines. Output: a `CostTable`, whose latencies and joules count a chain of layers, cut once,
no round trip, no way down, no watts but the radio's while the device sends and waits. Pure. Called by the set-up.

Read literally, the algorithm's device-only sends its result to the server, and so it is in the program that the paper's
authors published (claritylab/djinn at 360938d, graph-gen/offloading/prediction_model/neurosurgeon.py). So it is here;
`result_sent=False` is the other reading. It decides nothing for images, and nearly all for words and frames, whose
results are not small.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, Algorithm 1.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from partway.planning import running_s
from partway.prediction.analytic import AnalyticMachine
from partway.prediction.physical import FloatArray
from partway.studies.hardware import Device, PaperLink
from partway.zoo import PaperNetwork

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """What every cut of one network costs on one pair of machines.

    Attributes:
        network: that is cut.
        device: name of the device's machine.
        server: name of the server's.
        device_s: seconds of the head of cut k, float64 (layers + 1,), never falling, 0 first.
        server_s: seconds of its tail on an idle server, the same shape, never rising, 0 last.
        up_bytes: bytes that it sends, the same shape; last those of the result, or 0 where it is not sent.
        device_j: joules of the head, the same shape.
    """

    network: PaperNetwork
    device: str
    server: str
    device_s: FloatArray
    server_s: FloatArray
    up_bytes: FloatArray
    device_j: FloatArray

    def __len__(self) -> int:
        return len(self.device_s)

    def latency_s(self, link: PaperLink, slowdown: float = 1.0) -> FloatArray:
        """Seconds of a query under every cut.

        Args:
            link: between the two.
            slowdown: how many times slower the server is than when idle, >= 1.

        Source: Algorithm 1 of the paper, objective latency.
        """
        return self.device_s + self.up_bytes / link.uplink_bytes_per_s + slowdown * self.server_s

    def energy_j(self, link: PaperLink) -> FloatArray:
        """Joules of the device for a query under every cut.

        Source: Algorithm 1 of the paper, objective energy.
        """
        return self.device_j + link.tx_w * (self.up_bytes / link.uplink_bytes_per_s)

    def name_of(self, cut: int) -> str:
        """`server`, `device`, or the layer after which it cuts."""
        if cut == 0:
            return "server"
        return "device" if cut == len(self) - 1 else self.network.layers[cut - 1].name

    def faster(self, *, device: float = 1.0, server: float = 1.0) -> "CostTable":
        """The table of machines that are so many times as fast; joules of the head fall with its seconds.

        Args:
            device: > 0.
            server: > 0.
        """
        return replace(
            self, device_s=self.device_s / device, device_j=self.device_j / device, server_s=self.server_s / server
        )

    def drawing(self, power_factor: float) -> "CostTable":
        """The table of a device that draws so many times the watts while it computes, > 0."""
        return replace(self, device_j=power_factor * self.device_j)


def cost_table(
    network: PaperNetwork,
    device: Device,
    server: AnalyticMachine,
    *,
    result_sent: bool,
    image_element_bytes: int = 1,
) -> CostTable:
    """What every cut of a network costs on two machines.

    Args:
        network: a chain of layers.
        device: runs heads.
        server: runs tails, idle.
        result_sent: whether device-only sends its result, as float32 like all that crosses.
        image_element_bytes: of an input that is stored as bytes, on its way.
    """
    device_s = running_s(device.machine.layers_s(network.layers))
    whole_s = running_s(server.layers_s(network.layers))
    result_bytes = _FLOAT_BYTES * math.prod(network.layers[-1].output_shape) if result_sent else 0
    input_bytes = network.input_bytes * (image_element_bytes if network.input_dtype == np.uint8 else 1)
    crossing = [input_bytes, *(layer.output_bytes for layer in network.layers[:-1]), result_bytes]
    return CostTable(
        network=network,
        device=device.name,
        server=server.name,
        device_s=device_s,
        server_s=whole_s[-1] - whole_s,
        up_bytes=np.array(crossing, dtype=np.float64),
        device_j=device.power_w * device_s,
    )
