"""The stage that benchmarks play on: its pure parts, and once for real where root allows it."""

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.stage.link_process import decode, encode
from benchmarks.stage.namespaces import why_not
from hypothesis import given
from hypothesis import strategies as st

from partway.link import LinkTrace, Trace

RATES = st.floats(1e3, 1e9)
ECHO = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    print("ready", flush=True)
    connection, address = listener.accept()
    connection.sendall(connection.recv(100))
"""
PLAY = f"""
import os, socket, subprocess, sys
from benchmarks.stage import Place, stage
from partway.link import NAMED_LINKS

before = os.readlink("/proc/thread-self/ns/net")
with stage(NAMED_LINKS["wifi"], proxy=sys.argv[1] == "proxy") as it:
    host, port = it.server.listens
    far = it.start([sys.executable, "-c", {ECHO!r}, host, str(port)], Place.SERVER, stdout=subprocess.PIPE)
    far.stdout.readline()
    inside, cores = os.readlink("/proc/thread-self/ns/net"), os.sched_getaffinity(0)
    with socket.create_connection(it.address) as client:
        it.set_link(NAMED_LINKS["lte"])
        client.sendall(b"hello")
        print(client.recv(100).decode(), inside != before, it.trace.rtt_s)
    far.wait()
assert os.readlink("/proc/thread-self/ns/net") == before
"""


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    rates = draw(st.lists(RATES, min_size=1, max_size=5))
    steps = draw(st.lists(st.floats(0.01, 100), min_size=len(rates) - 1, max_size=len(rates) - 1))
    starts = [0.0]
    for step in steps:
        starts.append(starts[-1] + step)
    return Trace(starts_s=tuple(starts), rates_bytes_per_s=tuple(rates))


@given(traces(), traces(), st.floats(0, 1))
def test_a_link_arrives_at_its_process_as_it_was_sent(uplink: Trace, downlink: Trace, rtt_s: float) -> None:
    trace = LinkTrace(uplink=uplink, downlink=downlink, rtt_s=rtt_s)
    assert decode(encode(trace)) == trace


@pytest.mark.parametrize("kind", ["namespaces", "proxy"])
def test_bytes_go_over_the_stage_and_back(kind: str) -> None:
    reason = why_not() if kind == "namespaces" else None
    if reason is not None:
        pytest.skip(f"no network namespaces here: {reason}")
    played = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAY, kind],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert played.stdout.split() == ["hello", str(kind == "namespaces"), "0.05"], played.stderr
