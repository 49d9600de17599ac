"""Every request of a session leaves a line that says what it knew, and `explain` says it for the next one."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest
from tests.client.loopback import LoopbackServer
from tests.client.test_guide import costs_of, model_of, plan_of
from tests.models import chain_model, random_feeds

import partway
from partway.client.surroundings import Surroundings
from partway.client.trace import RequestLine, read_trace_file
from partway.errors import BindingError, DocumentError, InputError
from partway.link import Link
from partway.planning import Goal

LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=1e-4)
SLOW = 20.0


def lines_of(path: Path) -> tuple[RequestLine, ...]:
    (session,) = read_trace_file(path)
    return session.requests


def test_every_request_leaves_a_line_with_what_was_known_chosen_and_got(tmp_path: Path) -> None:
    model, trace = chain_model(tmp_path), tmp_path / "trace.jsonl"
    feeds, server = random_feeds(model), LoopbackServer(model)
    server.load = dataclasses.replace(server.load, queue_delay_s=1e-6, slowdown=1.5)
    with partway.InferenceSession(
        model, transport=server, threads=1, device_slowdown=SLOW, prior_link=LINK, trace=trace
    ) as session:
        first = session.run_detailed(None, feeds)
        assert session.wait_until_ready(feeds)
        results = [session.run_detailed(None, feeds) for _ in range(3)]
    written = lines_of(trace)
    assert len(written) == 4
    assert [line.total_s for line in written] == [result.total_s for result in (first, *results)]
    assert [line.started_s for line in written] == sorted(line.started_s for line in written)
    for line, result in zip(written[1:], results, strict=True):
        assert (line.crossing, line.codec, line.offloaded) == (result.crossing, result.codec, result.offloaded)
        assert line.choice is not None
        assert line.choice.expected_s == result.expected_s
        assert line.choice.runner_up is not None
        assert line.belief is not None
        assert line.belief.breaker == "closed"
        assert line.belief.slowdown > 1.0
        assert line.belief.queue_delay_s == 1e-6
        assert line.belief.queue_weighed_s != 1e-6, "each device doubts it in its own way"
        assert line.error is None
        assert line.hedge_wait_s == result.hedge_wait_s


def test_a_session_without_a_server_traces_too(tmp_path: Path) -> None:
    model, trace = chain_model(tmp_path), tmp_path / "trace.jsonl"
    with partway.InferenceSession(model, trace=trace) as session:
        session.run(None, random_feeds(model))
    (line,) = lines_of(trace)
    assert (line.belief, line.choice, line.offloaded) == (None, None, False)
    assert line.reason == "the device alone, since no server was given"
    (session_trace,) = read_trace_file(trace)
    assert (session_trace.header.model, session_trace.header.server) == (model.name, None)


def test_a_draining_battery_is_read_anew_and_shows_in_the_trace(tmp_path: Path) -> None:
    charges, skipped_s = [0.9], [0.0]

    class Discharging(partway.InferenceSession):
        @staticmethod
        def _surroundings() -> Surroundings:
            return Surroundings(charge=lambda: charges[-1], clock=lambda: time.monotonic() + skipped_s[0])

    path, trace = chain_model(tmp_path), tmp_path / "trace.jsonl"
    feeds, model = random_feeds(path), model_of(path)
    plan = plan_of(model, costs_of(model), Goal(objective="balanced"))
    with Discharging(
        path, transport=LoopbackServer(path), threads=1, prior_link=LINK, plan=plan, trace=trace
    ) as session:
        assert session.wait_until_ready(feeds)
        for charge in (0.9, 0.5, 0.1):
            charges.append(charge)
            session.run(None, feeds)
            skipped_s[0] += 60.0
    assert [line.belief.charge for line in lines_of(trace) if line.belief is not None] == [0.9, 0.5, 0.1]


def test_requests_without_an_answer_leave_their_lines_too(tmp_path: Path) -> None:
    model, trace = chain_model(tmp_path), tmp_path / "trace.jsonl"
    feeds = random_feeds(model)
    with partway.InferenceSession(model, trace=trace) as session:
        with pytest.raises(BindingError):
            session.run(None, {})
        with pytest.raises(InputError):
            session.run(["nothing"], feeds)
        session.run(None, feeds)
    missing, unknown, answered = lines_of(trace)
    assert missing.error is not None
    assert missing.error.startswith("BindingError: ")
    assert unknown.error is not None
    assert "'nothing'" in unknown.error
    assert answered.error is None
    assert not missing.offloaded


def test_a_request_that_still_runs_when_the_session_is_closed_leaves_its_line(tmp_path: Path) -> None:
    model, trace = chain_model(tmp_path), tmp_path / "trace.jsonl"
    runs, go_on = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        runs.set()
        assert go_on.wait(60.0)

    class Slow(partway.InferenceSession):
        @staticmethod
        def _surroundings() -> Surroundings:
            return Surroundings(sleep=sleep)

    session = Slow(model, trace=trace, device_slowdown=2.0)
    thread = threading.Thread(target=session.run, args=(None, random_feeds(model)))
    thread.start()
    assert runs.wait(60.0)
    session.close()
    assert lines_of(trace) == ()
    go_on.set()
    thread.join()
    (line,) = lines_of(trace)
    assert line.error is None


def test_a_trace_that_cannot_be_written_leaves_no_thread_behind(tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    before = set(threading.enumerate())
    with pytest.raises(DocumentError):
        partway.InferenceSession(model, server="grpc://127.0.0.1:9", trace=tmp_path / "missing" / "trace.jsonl")
    assert set(threading.enumerate()) <= before


def test_a_file_of_somebody_else_is_no_trace(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\n")
    with pytest.raises(DocumentError, match="not a Partway document"):
        partway.InferenceSession(chain_model(tmp_path), trace=notes)
    assert notes.read_text() == "mine\n"


def test_an_explanation_says_where_a_request_would_run_and_runs_none(tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    feeds, server = random_feeds(model), LoopbackServer(model)
    with partway.InferenceSession(model, transport=server, threads=1, device_slowdown=SLOW, prior_link=LINK) as session:
        assert session.wait_until_ready(feeds)
        explanation = session.explain(feeds)
        result = session.run_detailed(None, feeds)
    assert len(server.inferred) == 1
    assert explanation.decision is not None
    assert explanation.table is not None
    assert explanation.decision.crossing == result.crossing
    text = str(explanation)
    assert text.startswith("now ")
    for words in (explanation.decision.reason, "is asked", "round trip", "a queue of", "the device alone"):
        assert words in text
    assert sum(line.startswith("> ") for line in text.splitlines()) == 1


def test_an_explanation_without_a_server_says_so(tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    with partway.InferenceSession(model) as session:
        explanation = session.explain(random_feeds(model))
    assert "no server was given" in str(explanation)
    assert explanation.decision is None
