import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import LinkError
from partway.link import FLOOR_BYTES_PER_S, Link, LinkTrace, Trace, read_trace
from partway.link import trace as trace_module

rates = st.floats(1.0, 1e6)
steps = st.integers(1, 40).map(lambda eighths: eighths / 8)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    lengths = draw(st.lists(steps, max_size=6))
    starts = tuple(itertools.accumulate(lengths, initial=0.0))
    return Trace(
        starts_s=starts,
        rates_bytes_per_s=tuple(draw(st.lists(rates, min_size=len(starts), max_size=len(starts)))),
    )


def spans(trace: Trace) -> list[tuple[float, float, float]]:
    ends = (*trace.starts_s[1:], trace.duration_s)
    return list(zip(trace.starts_s, ends, trace.rates_bytes_per_s, strict=True))


@given(traces(), st.integers(0, 2000).map(lambda eighths: eighths / 8))
def test_a_lookup_equals_walking_through_the_rows_again_and_again(trace: Trace, t_s: float) -> None:
    left_s = t_s
    while left_s >= trace.duration_s:
        left_s -= trace.duration_s
    (expected,) = [rate for start, end, rate in spans(trace) if start <= left_s < end]
    assert trace.rate_at(t_s) == expected


@given(traces(), st.floats(0, 100), st.floats(0, 1e6))
def test_the_end_of_a_transfer_equals_sending_row_by_row(trace: Trace, start_s: float, size_bytes: float) -> None:
    laps, position_s = divmod(start_s, trace.duration_s)
    lap_bytes = sum((end - begin) * rate for begin, end, rate in spans(trace))
    skipped, size_left = divmod(size_bytes, lap_bytes)
    now_s = (laps + skipped) * trace.duration_s
    for lap in range(2):
        for begin, end, rate in spans(trace):
            begin = max(begin, position_s) if lap == 0 else begin
            if begin >= end:
                continue
            room = (end - begin) * rate
            if size_left <= room:
                expected = now_s + lap * trace.duration_s + begin + size_left / rate
                assert trace.finish_s(start_s, size_bytes) == pytest.approx(expected, abs=1e-6)
                return
            size_left -= room
    # Rounding can leave a breath of a byte for the third lap.
    assert size_left == pytest.approx(0, abs=1e-3)


@given(traces(), st.floats(0, 100), st.floats(0, 1e5), st.floats(0, 1e5))
def test_sending_in_two_parts_ends_when_sending_at_once_does(
    trace: Trace, start_s: float, first: float, second: float
) -> None:
    assert trace.finish_s(trace.finish_s(start_s, first), second) == pytest.approx(
        trace.finish_s(start_s, first + second), abs=1e-6
    )


@pytest.mark.parametrize(
    ("starts", "given_rates", "message"),
    [
        ((), (), "at least one"),
        ((0.0,), (1.0, 2.0), "one rate for each time"),
        ((1.0, 2.0), (1.0, 1.0), "begin it at 0"),
        ((0.0, 2.0, 2.0), (1.0, 1.0, 1.0), "must increase"),
        ((0.0, 1.0), (1.0, 0.0), "above 0"),
    ],
)
def test_a_trace_that_is_none_is_refused(
    starts: tuple[float, ...], given_rates: tuple[float, ...], message: str
) -> None:
    with pytest.raises(LinkError, match=message):
        Trace(starts_s=starts, rates_bytes_per_s=given_rates)


def test_a_link_trace_gives_the_link_of_each_moment_and_each_way_repeats_alone() -> None:
    trace = LinkTrace(
        uplink=Trace(starts_s=(0.0, 1.0), rates_bytes_per_s=(100.0, 200.0)),
        downlink=Trace(starts_s=(0.0, 2.0), rates_bytes_per_s=(300.0, 400.0)),
        rtt_s=0.5,
    )
    assert trace.duration_s == 4.0
    assert trace.at(2.5) == Link(uplink_bytes_per_s=100.0, downlink_bytes_per_s=400.0, rtt_s=0.5)


def test_a_file_is_read_from_its_first_row_with_zero_seconds_lifted_to_the_floor(tmp_path: Path) -> None:
    path = tmp_path / "bus.csv"
    path.write_text("t_s,mbps\n10,8.0\n11.5,0.000\n\n12,0.8\n")
    assert read_trace(path) == Trace(starts_s=(0.0, 1.5, 2.0), rates_bytes_per_s=(1e6, FLOOR_BYTES_PER_S, 1e5))


def test_columns_may_come_in_any_order_among_others_and_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "office.csv"
    path.write_bytes("\N{BYTE ORDER MARK}mbps, place, t_s\r\n8,desk,0\r\n".encode())
    assert read_trace(path) == Trace.constant(1e6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 has the columns ''; expected t_s,mbps"),
        (b"time,rate\n0,1\n", "line 1 has the columns 'time,rate'; expected t_s,mbps"),
        (b"t_s,mbps\n", "has no rows"),
        (b"t_s,mbps\n0,1\n1,fast\n", "line 3 is '1,fast'; expected two numbers"),
        (b"t_s,mbps\n0,1\n1\n", "line 3 is '1'; expected two numbers"),
        (b"t_s,mbps\n0,-1\n", "line 2 .* expected finite, not negative"),
        (b"t_s,mbps\n0,nan\n", "line 2 .* expected finite, not negative"),
        (b"t_s,mbps\n0,1\n0,1\n", "line 3 is at 0 s, after 0 s; times must increase"),
        (b"t_s,mbps\n0,1\n\xff\n", "is not UTF-8 text"),
        (b't_s,mbps\n0,"' + b"1" * 200_000, "is no CSV trace"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_what_was_expected(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(LinkError, match=message) as caught:
        read_trace(path)
    assert str(path) in str(caught.value)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "MAX_FILE_BYTES", 20)
    path = tmp_path / "long.csv"
    path.write_text("t_s,mbps\n" + "".join(f"{t},1\n" for t in range(10)))
    with pytest.raises(LinkError, match="is larger than 20 B, the most that is read of a CSV trace"):
        read_trace(path)


def test_a_missing_file_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"cannot read .*No such file .*expected a CSV trace of t_s,mbps"):
        read_trace(tmp_path / "absent.csv")
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(LinkError, match="is not a regular file"):
            read_trace(path)
