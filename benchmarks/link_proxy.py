"""How exact the link emulator is: achieved rate and round trip against what was asked for.

    python benchmarks/link_proxy.py [--rounds 7] [--transfer-s 0.3] [--json]

For each rate and round trip time, a client in this process talks through the emulator, which runs in a thread
beside it as in the demo, to a server in a process of its own. Rounds are interleaved, so that a busy moment of
the machine falls on every setting. Goodput is payload bytes over the transfer's time less the nominal round
trip; the rows say median, least and most of the rounds, and the load of the machine is printed with them.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from partway.link import Link, run_emulator

RATES_MBIT_S = (1, 5, 20, 100)
RTTS_S = (0.0, 0.010, 0.050)
PINGS = 5
_REQUEST = struct.Struct("!QQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Median, least and most of one quantity over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Summary":
        """The summary of values, at least one."""
        return cls(median=statistics.median(values), least=min(values), most=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one setting achieved.

    Attributes:
        rate_bytes_per_s: asked for, both ways.
        rtt_s: asked for.
        uplink_ratio: achieved uplink rate over the one asked for.
        downlink_ratio: the same for the downlink.
        ping_s: measured round trips of sixteen bytes.
    """

    rate_bytes_per_s: float
    rtt_s: float
    uplink_ratio: Summary
    downlink_ratio: Summary
    ping_s: Summary


def receive(connection: socket.socket, size_bytes: int) -> bool:
    """Read and forget so many bytes; whether they came."""
    while size_bytes:
        data = connection.recv(min(size_bytes, 1 << 18))
        if not data:
            return False
        size_bytes -= len(data)
    return True


def serve(ready: Connection) -> None:
    """Answer each request, which says its own size and its answer's, until killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname())
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, contextlib.suppress(ConnectionError):
                while header := connection.recv(_REQUEST.size, socket.MSG_WAITALL):
                    up_bytes, down_bytes = _REQUEST.unpack(header)
                    receive(connection, up_bytes)
                    connection.sendall(bytes(down_bytes))


@contextlib.contextmanager
def server() -> Iterator[tuple[str, int]]:
    """The address of a server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


def time_request(client: socket.socket, up_bytes: int, down_bytes: int) -> float:
    """Seconds from the first byte sent to the last received; the answer has a byte at least."""
    message = _REQUEST.pack(up_bytes, down_bytes) + bytes(up_bytes)
    start_s = time.perf_counter()
    client.sendall(message)
    if not receive(client, down_bytes):
        raise ConnectionError("the server hung up in the middle of an answer")
    return time.perf_counter() - start_s


def measure(target: tuple[str, int], link: Link, transfer_s: float) -> tuple[float, float, float]:
    """One round: uplink and downlink ratio, and the ping in seconds."""
    size_bytes = int(link.uplink_bytes_per_s * transfer_s)
    with run_emulator(target, link) as emulator, socket.create_connection(emulator.address) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time_request(client, 0, 1)  # pays for the handshake
        ping_s = statistics.median(time_request(client, 0, 1) for _ in range(PINGS))
        up_s = time_request(client, size_bytes, 1) - link.rtt_s
        down_s = time_request(client, 0, size_bytes) - link.rtt_s
    return (
        size_bytes / up_s / link.uplink_bytes_per_s,
        size_bytes / down_s / link.downlink_bytes_per_s,
        ping_s,
    )


def run(rounds: int, transfer_s: float) -> list[Row]:
    """Every setting, in interleaved rounds."""
    links = [
        Link(uplink_bytes_per_s=mbit_s * 1e6 / 8, downlink_bytes_per_s=mbit_s * 1e6 / 8, rtt_s=rtt_s)
        for mbit_s in RATES_MBIT_S
        for rtt_s in RTTS_S
    ]
    results: dict[Link, list[tuple[float, float, float]]] = {link: [] for link in links}
    with server() as target:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for link in links:
                results[link].append(measure(target, link, transfer_s))
    rows = []
    for link, measured in results.items():
        up, down, ping = (Summary.of(list(values)) for values in zip(*measured, strict=True))
        rows.append(
            Row(
                rate_bytes_per_s=link.uplink_bytes_per_s,
                rtt_s=link.rtt_s,
                uplink_ratio=up,
                downlink_ratio=down,
                ping_s=ping,
            )
        )
    return rows


def print_table(rows: list[Row]) -> None:
    """The rows for people: rates in per cent of what was asked for, times in milliseconds."""
    print(f"{'Mbit/s':>6} {'rtt ms':>6}  {'uplink %':^22}  {'downlink %':^22}  {'ping ms':^22}")
    print(f"{'':>13}  " + "  ".join([f"{'median (least, most)':^22}"] * 3))
    for row in rows:
        cells = [
            f"{one.median * scale:6.{digits}f} ({one.least * scale:.{digits}f}, {one.most * scale:.{digits}f})"
            for one, scale, digits in (
                (row.uplink_ratio, 100, 1),
                (row.downlink_ratio, 100, 1),
                (row.ping_s, 1e3, 2),
            )
        ]
        nominal = f"{row.rate_bytes_per_s * 8 / 1e6:6.0f} {row.rtt_s * 1e3:6.0f}"
        print(f"{nominal}  " + "  ".join(f"{cell:<22}" for cell in cells))


def main() -> None:
    """Run the benchmark and print its table, or one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often each setting is measured")
    parser.add_argument("--transfer-s", type=float, default=0.3, help="nominal seconds of one transfer")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    rows = run(arguments.rounds, arguments.transfer_s)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    if arguments.json:
        machine = {"cores": cores, "load_1_min": load, "rounds": arguments.rounds}
        print(json.dumps({**machine, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print_table(rows)
    print(f"{arguments.rounds} rounds; {cores} cores, load of the last minute {load:.1f}")


if __name__ == "__main__":
    main()
