"""The stage that benchmarks play on: a device and a server, each on a core of its own, with an emulated link between.

    with stage(link, models=[path], threads=1) as it:         this process is the device from here on
        session = InferenceSession(path, server=it.server_url, ...)
        it.set_link(trace)                                    replayed from now on; it.position_s(now) says where it is

With root, iproute2 and /dev/net/tun the two are network namespaces whose packets pass through a process that shapes
them; elsewhere the user-space proxy of `partway.link` stands in, and `Stage.how` says so. `python -m benchmarks.stage`
measures what the link really does.
"""

from benchmarks.stage.play import Place, Stage, stage
from benchmarks.stage.server import StageServer

__all__ = ["Place", "Stage", "StageServer", "stage"]
