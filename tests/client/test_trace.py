"""A trace keeps every request that it was told of, and reads no file that is not its own."""

import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.client.trace import Belief, Choice, RequestLine, TraceFile, TraceHeader, read_trace_file
from partway.errors import DocumentError

seconds = st.floats(0.0, 1e4)
rates = st.floats(1.0, 1e12)
names = st.lists(st.text(max_size=20), max_size=3).map(tuple)
spreads = st.none() | st.floats(0.0, 10.0)

beliefs = st.builds(
    Belief,
    uplink_bytes_per_s=rates,
    downlink_bytes_per_s=rates,
    rtt_s=seconds,
    uplink_spread=spreads,
    downlink_spread=spreads,
    rtt_spread=spreads,
    queue_delay_s=st.none() | seconds,
    queue_weighed_s=seconds,
    slowdown=rates,
    device_factor=rates,
    charge=st.none() | st.floats(0.01, 1.0),
    breaker=st.none() | st.sampled_from(("closed", "open", "half-open")),
)
choices = st.builds(
    Choice,
    crossing=names,
    codec=st.text(max_size=10),
    objective=st.sampled_from(("latency", "balanced")),
    expected_s=seconds,
    expected_j=st.none() | seconds,
    kept=st.booleans(),
    runner_up=st.none() | names,
    runner_up_codec=st.none() | st.text(max_size=10),
    runner_up_s=st.none() | seconds,
)
lines = st.builds(
    RequestLine,
    started_s=seconds,
    belief=st.none() | beliefs,
    choice=st.none() | choices,
    crossing=names,
    codec=st.text(max_size=10),
    offloaded=st.booleans(),
    fell_back=st.booleans(),
    hedged=st.booleans(),
    hedge_wait_s=st.none() | seconds,
    reason=st.text(max_size=50),
    error=st.none() | st.text(max_size=50),
    total_s=seconds,
    device_s=seconds,
    uplink_s=seconds,
    server_s=seconds,
    downlink_s=seconds,
    up_bytes=st.integers(0, 2**40),
    down_bytes=st.integers(0, 2**40),
)


def header(model: str = "model.onnx") -> TraceHeader:
    return TraceHeader(
        model=model, server="grpc://127.0.0.1:8001", started_at="2026-01-02T03:04:05Z", emulated_slowdown=1.0
    )


def line(started_s: float = 0.0) -> RequestLine:
    return RequestLine(
        started_s=started_s,
        belief=None,
        choice=None,
        crossing=(),
        codec="raw",
        offloaded=False,
        fell_back=False,
        hedged=False,
        hedge_wait_s=None,
        reason="the device alone",
        error=None,
        total_s=0.1,
        device_s=0.1,
        uplink_s=0.0,
        server_s=0.0,
        downlink_s=0.0,
        up_bytes=0,
        down_bytes=0,
    )


def write(path: Path, *written: RequestLine, model: str = "model.onnx") -> None:
    trace = TraceFile(path, header(model))
    for one in written:
        trace.append(one)
    trace.close()


@given(written=st.lists(lines, max_size=5))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[RequestLine]) -> None:
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    write(path, *written)
    (session,) = read_trace_file(path)
    assert session.header == header()
    assert list(session.requests) == written


def test_a_trace_goes_on_with_the_next_session(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, line(1.0), model="a.onnx")
    write(path, line(2.0), line(3.0), model="b.onnx")
    first, second = read_trace_file(path)
    assert (first.header.model, second.header.model) == ("a.onnx", "b.onnx")
    assert [request.started_s for request in first.requests] == [1.0]
    assert [request.started_s for request in second.requests] == [2.0, 3.0]


def test_a_line_that_a_crash_tore_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, line(1.0), line(2.0))
    path.write_bytes(path.read_bytes()[:-10])
    assert [request.started_s for request in read_trace_file(path)[0].requests] == [1.0]
    write(path, line(3.0))
    assert [request.started_s for session in read_trace_file(path) for request in session.requests] == [1.0, 3.0]


def test_a_line_that_is_damaged_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write(path, line(1.0), line(2.0))
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((content[0], content[1][:-10] + b"\n", content[2])))
    with pytest.raises(DocumentError, match="line 2 is no request of this version"):
        read_trace_file(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"precious notes\n", "not a Partway document"),
        (b'{"kind":"partway.plan","version":1}\n', "'partway.plan' document; a 'partway.trace' document was expected"),
        (b'{"kind":"partway.trace","version":99}\n', "has version 99"),
        (b"x" * 100_000, "longer than"),
    ],
)
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=complaint):
        read_trace_file(path)
    if content:
        with pytest.raises(DocumentError, match=complaint):
            TraceFile(path, header())
        assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot write the trace"):
        TraceFile(tmp_path / "missing" / "trace.jsonl", header())


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path, header())

    def write_fifty() -> None:
        for index in range(50):
            trace.append(line(float(index)))

    threads = [threading.Thread(target=write_fifty) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trace.close()
    assert len(read_trace_file(path)[0].requests) == 200


def test_a_disk_that_is_full_ends_the_trace_and_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(path, header())
    trace.append(line(1.0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        trace.append(line(2.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    trace.append(line(3.0))
    trace.close()
    assert "trace_ended" in caplog.text
    assert [request.started_s for request in read_trace_file(path)[0].requests] == [1.0]
