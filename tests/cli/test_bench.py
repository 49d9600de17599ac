"""A contest as a user holds it: a real server process, a link in between, and nothing left behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.certificates import TOKEN, Authority, token_file
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.models import chain_model
from tests.processes import serving

from partway.serving import ServerOptions, run_server

FAST = "up=1Gbit/s,down=1Gbit/s,rtt=1ms"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return chain_model(tmp_path)


def test_three_ways_answer_alike_through_one_link(model: Path) -> None:
    words = ("bench", str(model), "--link", FAST, "--requests", "3", "--device-slowdown", "20", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "partway", *words], check=True, capture_output=True, text=True, timeout=300
    )
    document = json.loads(done.stdout)
    assert (document["model"], document["link"], document["requests"]) == (str(model), FAST, 3)
    for way in ("device_only", "server_only", "partway"):
        assert 0 < document[way]["median_s"] <= document[way]["p95_s"]
        assert document[way]["mean_s"] > 0
        assert (document[way]["lost"], document[way]["wrong"]) == (0, 0)
    assert (document["lost"], document["wrong"]) == (0, 0)
    assert sum(cut["requests"] for cut in document["cuts"]) == 3
    assert document["emulated"] == {"device_slowdown": 20.0, "link": True}
    assert done.stderr == ""


def test_people_see_a_table_and_what_was_emulated(model: Path, partway: Command) -> None:
    done = partway("bench", model, "--link", "wifi", "--requests", 2, "--device-slowdown", 4)
    assert done.status == 0
    for part in ("device-only", "server-only", "partway", "2 requests each", "EMULATED: this machine, slowed 4 times"):
        assert part in done.text
    assert "EMULATED: a proxy on this machine that behaves as wifi" in done.text
    assert "held against the whole model's" in done.text


def test_a_trace_is_replayed_and_a_duration_ends_it(model: Path, tmp_path: Path, partway: Command) -> None:
    trace = tmp_path / "drive.csv"
    trace.write_text("t_s,mbps\n0,50\n0.1,200\n")
    done = partway("bench", model, "--link", trace, "--duration", "1ms", "--json")
    assert done.status == 0
    assert done.document["requests"] == 1


def test_a_server_of_ones_own_is_used_and_left_running(model: Path, tmp_path: Path, partway: Command) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    model.rename(repository / model.name)
    with serving(repository) as server:
        done = partway("bench", repository / model.name, "--server", server.url, "--requests", 2, "--json")
        assert server.process.poll() is None
    assert done.status == 0
    assert done.document["link"] is None
    assert done.document["emulated"] == {"device_slowdown": 1.0, "link": False}


def test_a_server_with_tls_is_measured_behind_an_emulated_link(model: Path, tmp_path: Path, partway: Command) -> None:
    authority, token = Authority(tmp_path / "authority"), token_file(tmp_path / "token", TOKEN)
    tls = authority.server()
    options = ServerOptions(tls=tls, tokens=token_file(tmp_path / "tokens"))
    with run_server(model.parent, options=options) as server:
        words = ("bench", model, "--server", server.url.replace("127.0.0.1", "localhost"), "--link", FAST)
        done = partway(*words, "--ca", authority.ca, "--token-file", token, "--requests", 1, "--json")
    assert done.status == 0
    assert done.document["server_only"]["lost"] == 0


def test_a_token_is_not_sent_in_the_clear_to_a_server_behind_an_emulated_link(
    model: Path, tmp_path: Path, partway: Command
) -> None:
    token = token_file(tmp_path / "token", TOKEN)
    words = ("bench", model, "--server", "grpc://192.0.2.1:8001", "--link", FAST, "--token-file", token)
    assert "would travel in the clear to 192.0.2.1:8001" in complaint(partway, *words)


def test_a_request_that_is_not_answered_in_time_is_lost_by_server_only_and_not_by_partway(
    model: Path, partway: Command
) -> None:
    slow = "up=20kbit/s,down=1Mbit/s"
    done = partway("bench", model, "--link", slow, "--requests", 1, "--timeout", "200ms", "--json")
    document = done.document
    assert (document["server_only"]["lost"], document["server_only"]["mean_s"]) == (1, None)
    assert (document["lost"], document["wrong"]) == (0, 0)


def test_a_server_that_is_not_there_is_said_to_be_the_reason(model: Path, partway: Command) -> None:
    done = partway("bench", model, "--server", "grpc://127.0.0.1:9", "--requests", 1)
    assert done.status == 1
    assert "gave no answer" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--link lte"),
        (("--link", "pigeon"), "pigeon"),
        (("--link", "lte", "--requests", "0"), "at least 1"),
        (("--link", "lte", "--device-slowdown", "0.5"), "1 or more"),
        (("--server", "http://host:1"), "grpc://host:port"),
    ],
)
def test_wrong_words_are_refused_in_one_line(
    model: Path, partway: Command, words: tuple[str, ...], message: str
) -> None:
    done = partway("bench", model, *words)
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_interrupts_it_finds_no_server_left(model: Path, number: signal.Signals, status: int) -> None:
    words = ("bench", str(model), "--link", FAST, "--requests", "1000000", "--verbose")
    with subprocess.Popen(
        [sys.executable, "-m", "partway", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as bench:
        assert bench.stderr is not None
        assert any("binding_ready" in line for line in bench.stderr)
        servers = psutil.Process(bench.pid).children(recursive=True)
        assert servers
        bench.send_signal(number)
        bench.communicate(timeout=60)
        assert bench.returncode == status
    assert psutil.wait_procs(servers, timeout=0)[1] == []
