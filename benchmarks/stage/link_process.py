"""The process that is the link between two network namespaces: passes packets on when their time has come.

    device's namespace                   this process                        server's namespace
    10.78.0.1 [TUN] ──packets──> uplink: queue, rate, then rtt/2 ──packets──> [TUN] 10.78.0.2
    10.78.0.1 [TUN] <──packets── downlink: queue, rate, then rtt/2 <──packets── [TUN] 10.78.0.2

Rates are of IP packets, so that payload gets `GOODPUT` of them. Where a queue is full, packets are dropped, as routers
do. TCP's windows begin large and stay so after a pause (`initcwnd`, `tcp_slow_start_after_idle`), and its congestion
control is Reno, which sends as much as they allow: what is measured is the link, and not how TCP looks for its rate.
Input: link traces, over a pipe. Started by `tunnel`, which ends it by closing the pipe.

Source: Linux Documentation/networking/tuntap.rst (TUNSETIFF, IFF_TUN, IFF_NO_PI), ip-sysctl.rst (tcp_*).
"""

import contextlib
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.stage.namespaces import make_own

from partway.link import LinkTrace, Shaper, Trace

DEVICE_ADDRESS, SERVER_ADDRESS = "10.78.0.1", "10.78.0.2"
MTU_BYTES, PAYLOAD_BYTES = 1500, 1448  # 20 bytes of IP and 32 of TCP with time stamps
GOODPUT = PAYLOAD_BYTES / MTU_BYTES

# Deep, as mobile networks have them: a request of one AlexNet's input fits, and is not answered with losses.
QUEUE_BYTES = 1_000_000

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DEVICE, _NETWORK = "tun0", "10.78.0.0/24"
_WINDOW_PACKETS = "128"  # more than any link here holds
_SETTINGS = {"tcp_slow_start_after_idle": "0", "tcp_congestion_control": "reno", "tcp_no_metrics_save": "1"}
_BURST = 64


@dataclass(slots=True)
class _Way:
    into: int  # the descriptor of the far device
    shaper: Shaper
    waiting: deque[tuple[float, bytes]]
    held_bytes: int = 0

    def accept(self, packet: bytes, now_s: float) -> None:
        if self.held_bytes + len(packet) > QUEUE_BYTES + self.shaper.in_flight_bytes(now_s):
            return
        self.held_bytes += len(packet)
        self.waiting.append((self.shaper.send(len(packet), now_s).arrives_s, packet))

    def deliver(self, now_s: float) -> None:
        while self.waiting and self.waiting[0][0] <= now_s:
            packet = self.waiting.popleft()[1]
            self.held_bytes -= len(packet)
            with contextlib.suppress(OSError):  # the far device is full or down: a loss, as on a real link
                os.write(self.into, packet)


def encode(trace: LinkTrace) -> bytes:
    """A link trace as it goes through the pipe."""
    ways = [list(zip(way.starts_s, way.rates_bytes_per_s, strict=True)) for way in (trace.uplink, trace.downlink)]
    return json.dumps([*ways, trace.rtt_s]).encode()


def decode(message: bytes) -> LinkTrace:
    """The link trace that went through the pipe."""
    *ways, rtt_s = json.loads(message)
    uplink, downlink = (
        Trace(starts_s=starts_s, rates_bytes_per_s=rates)
        for starts_s, rates in (zip(*way, strict=True) for way in ways)
    )
    return LinkTrace(uplink=uplink, downlink=downlink, rtt_s=rtt_s)


def main() -> None:
    """Be the link, until the pipe is closed; `tunnel.run_tunnel` starts this."""
    control: Connection = Connection(int(sys.argv[1]))
    trace = decode(control.recv_bytes())
    device_namespace = make_own()
    device = _open_tun(DEVICE_ADDRESS)
    server_namespace = make_own()
    server = _open_tun(SERVER_ADDRESS)
    with contextlib.suppress(OSError):  # without precedence it is late now and then
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    now_s = time.monotonic()
    up = _Way(server, Shaper(trace.uplink, trace.rtt_s / 2, now_s), deque())
    down = _Way(device, Shaper(trace.downlink, trace.rtt_s / 2, now_s), deque())
    control.send_bytes(b"%d %d" % (device_namespace, server_namespace))
    with contextlib.suppress(EOFError, ConnectionError):
        _pass_on(control, {device: up, server: down}, up, down)


def _pass_on(control: Connection, sources: dict[int, _Way], up: _Way, down: _Way) -> None:
    while True:
        due_s = min((way.waiting[0][0] for way in (up, down) if way.waiting), default=None)
        wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
        ready = select.select([*sources, control.fileno()], [], [], wait_s)[0]
        now_s = time.monotonic()
        for source, way in sources.items():
            if source in ready:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(_BURST):
                        way.accept(os.read(source, 2 * MTU_BYTES), now_s)
        if control.fileno() in ready:
            trace, now_s = decode(control.recv_bytes()), time.monotonic()
            up.shaper.change(trace.uplink, trace.rtt_s / 2, now_s)
            down.shaper.change(trace.downlink, trace.rtt_s / 2, now_s)
            control.send_bytes(repr(now_s).encode())
        now_s = time.monotonic()
        up.deliver(now_s)
        down.deliver(now_s)


def _open_tun(address: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    window = ("initcwnd", _WINDOW_PACKETS, "initrwnd", _WINDOW_PACKETS)
    for words in (
        ("addr", "add", f"{address}/24", "dev", _DEVICE),
        ("link", "set", _DEVICE, "mtu", str(MTU_BYTES), "txqueuelen", "1000", "up"),
        ("route", "change", _NETWORK, "dev", _DEVICE, *window),
        ("link", "set", "lo", "up"),
    ):
        subprocess.run(["ip", *words], check=True)
    for name, value in _SETTINGS.items():
        with contextlib.suppress(OSError):  # some containers may not write there
            Path("/proc/sys/net/ipv4", name).write_text(value, encoding="ascii")
    return descriptor


if __name__ == "__main__":
    main()
