"""What the emulated link really does: rates and round trips by plain TCP, against what was asked for.

    python -m benchmarks.stage [--quick] [--proxy] [--json]

For each link, in interleaved rounds: the median of a few round trips of one byte, and the seconds that a transfer each
way takes, less one round trip, over those that its bytes should take with their headers. Mark: within 5 %.
Exit status: 0 if every link keeps to it, 1 if not.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.link_proxy import time_request
from benchmarks.stage.play import Place, Stage, stage

from partway.link import Link, LinkTrace, Trace
from partway.reporting import Column, print_table

_MARK = 0.05
_PINGS = 9
_PING_ALLOWANCE_S = 0.002  # wake-ups, ours and the far end's, each way
_SECONDS = 0.3
_LINKS = tuple(
    Link(uplink_bytes_per_s=up * 1e6 / 8, downlink_bytes_per_s=down * 1e6 / 8, rtt_s=rtt_s)
    for up, down, rtt_s in ((1, 2, 0.1), (6, 14, 0.05), (20, 20, 0.01), (20, 55, 0.005), (100, 100, 0.002))
)
_SERVER = """
import socket, struct, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while header := connection.recv(16, socket.MSG_WAITALL):
        up, down = struct.unpack("!QQ", header)
        while up:
            up -= len(connection.recv(min(up, 1 << 18)))
        connection.sendall(bytes(down))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one link does.

    Attributes:
        name: what was asked for, in words.
        uplink_ratio: seconds that transfers took over those that they should take; medians.
        downlink_ratio: the same the other way.
        ping_s: round trip of a byte, median.
        rtt_s: what was asked for.
    """

    name: str
    uplink_ratio: float
    downlink_ratio: float
    ping_s: float
    rtt_s: float

    @property
    def kept(self) -> bool:
        """Whether it is within the mark."""
        late_s = abs(self.ping_s - self.rtt_s)
        ratios = (self.uplink_ratio, self.downlink_ratio)
        return all(abs(ratio - 1) <= _MARK for ratio in ratios) and late_s <= _MARK * self.rtt_s + _PING_ALLOWANCE_S


def measure(it: Stage, client: socket.socket, link: Link | LinkTrace) -> tuple[float, float, float]:
    """One round on one link: ratios of the two ways, and the ping in seconds."""
    it.set_link(link)
    trace = it.trace
    # TCP finds the rate first: how it does is its own affair, and not the link's.
    time_request(client, int(trace.uplink.rate_at(0.0) * _SECONDS), int(trace.downlink.rate_at(0.0) * _SECONDS))
    it.set_link(link)
    ping_s = statistics.median(time_request(client, 0, 1) for _ in range(_PINGS))
    ratios = []
    for rate, up in ((trace.uplink, True), (trace.downlink, False)):
        size_bytes = int(rate.rate_at(0.0) * _SECONDS)
        start_s = it.position_s(time.monotonic())
        took_s = time_request(client, size_bytes if up else 0, 1 if up else size_bytes) - ping_s
        begun_s = start_s if up else start_s + ping_s / 2  # a link takes bytes in at its near end
        should_s = rate.finish_s(begun_s, size_bytes / it.goodput) - begun_s
        ratios.append(took_s / should_s)
    return ratios[0], ratios[1], ping_s


def run(rounds: int, *, proxy: bool) -> tuple[str, list[Row]]:
    """Every link, in interleaved rounds; how they are emulated comes first."""
    steps = Trace(starts_s=(0.0, 0.5, 1.0), rates_bytes_per_s=(1e6, 3e5, 2e6))
    links: dict[str, Link | LinkTrace] = {
        f"{link.uplink_bytes_per_s * 8e-6:g} up, {link.downlink_bytes_per_s * 8e-6:g} down": link for link in _LINKS
    }
    links["a trace, 2.4 to 16 up"] = LinkTrace(uplink=steps, downlink=Trace.constant(1e6), rtt_s=0.02)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in links}
    with stage(_LINKS[0], proxy=proxy) as it:
        host, port = it.server.listens
        process = it.start([sys.executable, "-c", _SERVER, host, str(port)], Place.SERVER, stdout=subprocess.PIPE)
        try:
            if process.stdout is None or not process.stdout.readline():
                raise ConnectionError("the far end of the link did not start")
            with socket.create_connection(it.address) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for _ in range(rounds):
                    for name, link in links.items():
                        found[name].append(measure(it, client, link))
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        how = it.how
    rows = []
    for name, link in links.items():
        up, down, ping_s = (statistics.median(values) for values in zip(*found[name], strict=True))
        rows.append(Row(name=name, uplink_ratio=up, downlink_ratio=down, ping_s=ping_s, rtt_s=link.rtt_s))
    return how, rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--proxy", action="store_true", help="the user-space proxy, even where namespaces can be had")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    how, rows = run(1 if arguments.quick else 3, proxy=arguments.proxy)
    kept = all(row.kept for row in rows)
    if arguments.json:
        print(json.dumps({"how": how, "kept": kept, "rows": [asdict(row) for row in rows]}, indent=2))
        return 0 if kept else 1
    print_table(
        f"{how}: measured over asked for",
        (
            Column(title="link, Mbit/s", right=False),
            Column(title="uplink"),
            Column(title="downlink"),
            Column(title="ping ms"),
            Column(title="of"),
            Column(title="within 5 %", right=False),
        ),
        [
            (
                row.name,
                f"{row.uplink_ratio:.3f}",
                f"{row.downlink_ratio:.3f}",
                f"{row.ping_s * 1e3:.2f}",
                f"{row.rtt_s * 1e3:g}",
                "yes" if row.kept else "NO",
            )
            for row in rows
        ],
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
