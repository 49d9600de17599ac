"""One fleet of so many devices, played in a process of its own: seconds and memory.

    python -m benchmarks.simulation_fleet --devices 1000000 [--duration-s 60]

Devices with three cuts rest ten seconds between requests, on Wi-Fi, LTE and 3G; the server has a worker for each five
hundred, so that it can bear about two thirds of what would come if all offloaded. Prints one JSON document. Called by
`benchmarks.simulation_speed`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from partway.link import NAMED_LINKS
from partway.planning import CostTable, CutCost
from partway.simulation import Fleet, FleetTask, Group, LinkPath, Pause, play_fleet
from partway.simulation.fleet_runs import measure

_KIB = 1024
_LINKS = ("3g", "lte", "wifi")

TABLE = CostTable.of(
    [
        CutCost(crossing=("image",), device_s=0.0, up_bytes=152_000, server_s=0.03, down_bytes=4_000, offloaded=True),
        CutCost(crossing=("pool5",), device_s=0.2, up_bytes=36_864, server_s=0.02, down_bytes=4_000, offloaded=True),
        CutCost(crossing=(), device_s=0.5, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False),
    ]
)


def fleet_of(devices: int) -> Fleet:
    """Devices on three links, equally many on each but for rounding."""
    groups = tuple(
        Group(
            name=name,
            devices=devices // 3 + (place < devices % 3),
            table=TABLE,
            path=LinkPath.of(link),
            requests=Pause(mean_s=10.0),
        )
        for place, (name, link) in enumerate((name, NAMED_LINKS[name]) for name in _LINKS)
    )
    return Fleet(groups=groups, workers=max(1, devices // 500))


def _peak_bytes() -> int:
    # The most that this program held; what `resource` tells begins with the program that started it.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * _KIB


def main() -> None:
    """Compile on a small fleet, then play and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--duration-s", type=float, default=60.0)
    arguments = parser.parse_args()
    FleetTask(fleet=fleet_of(3), duration_s=10.0)(np.random.SeedSequence(0))
    before_bytes, start_s, computed_s = _peak_bytes(), time.perf_counter(), time.process_time()
    happened = play_fleet(fleet_of(arguments.devices), arguments.duration_s, np.random.SeedSequence(1))
    played_s, peak_bytes = time.perf_counter() - start_s, _peak_bytes()
    computed_s = time.process_time() - computed_s
    run = measure(happened, arguments.duration_s / 4)
    document = {
        "devices": arguments.devices,
        "duration_s": arguments.duration_s,
        "requests": happened.begun,
        "played_s": played_s,
        "computed_s": computed_s,
        "measured_s": time.perf_counter() - start_s - played_s,
        "grew_bytes": peak_bytes - before_bytes,
        "peak_bytes": _peak_bytes(),
        "mean_s": run.mean_s,
        "p95_s": run.p95_s,
        "offloaded": run.offloaded,
        "utilisation": run.utilisation,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
