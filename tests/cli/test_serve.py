import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, Authority, token_file
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model

from partway.cli.serve import spare_modules
from partway.client import Credentials, connect
from partway.errors import ServerError
from partway.serving import run_server
from partway.wire import InferRequest

SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_says_where_it_listens_and_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    chain_model(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "partway", "serve", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert line.startswith("listening address=127.0.0.1:")
    assert line.endswith(" models=1\n")
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_an_address_that_others_reach_must_be_asked_for(partway: Command, tmp_path: Path, host: str) -> None:
    assert "--insecure" in complaint(partway, "serve", tmp_path, "--host", host)


def test_what_is_missing_for_others_to_be_let_in_is_said(partway: Command, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "authority").issue("localhost")
    tls = ("--tls-certificate", certificate, "--tls-key", key)
    tokens = ("--token-file", token_file(tmp_path / "tokens"))
    public = ("serve", tmp_path, "--host", "0.0.0.0")
    assert "has no TLS (--tls-certificate and --tls-key) and asks nobody" in complaint(partway, *public)
    assert "has no TLS (--tls-certificate and --tls-key); give" in complaint(partway, *public, *tokens)
    assert "asks nobody who they are (--token-file, or --client-ca); give" in complaint(partway, *public, *tls)


def test_certificates_keys_and_tokens_that_cannot_be_used_are_one_line(partway: Command, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    (certificate, key), (_, other_key) = authority.issue("localhost"), authority.issue("other.invalid")
    open_tokens = token_file(tmp_path / "open")
    open_tokens.chmod(0o644)
    for words, sentence in (
        (("--tls-certificate", certificate), "takes both --tls-certificate and --tls-key"),
        (("--tls-key", key), "takes both --tls-certificate and --tls-key"),
        (("--client-ca", authority.ca), "takes both --tls-certificate and --tls-key"),
        (("--tls-certificate", certificate, "--tls-key", other_key), "does not fit the certificate"),
        (("--tls-certificate", tmp_path / "none", "--tls-key", key), "cannot read"),
        (("--tls-certificate", certificate, "--tls-key", key, "--client-ca", key), "holds no certificate in PEM"),
        (("--token-file", open_tokens), "chmod 600"),
        (("--token-file", tmp_path / "none"), "cannot read"),
    ):
        assert sentence in complaint(partway, "serve", tmp_path, *words)


def test_no_command_takes_a_token_that_other_users_would_see(partway: Command, tmp_path: Path) -> None:
    for verb in ("serve", "run", "bench"):
        assert "unrecognized arguments: --token " in complaint(partway, verb, tmp_path, "--token", "x" * 32)


def test_a_missing_repository_is_one_line(partway: Command, tmp_path: Path) -> None:
    assert "there is no folder" in complaint(partway, "serve", tmp_path / "none")


def test_a_profile_that_cannot_be_used_is_one_line(partway: Command, tmp_path: Path) -> None:
    path = stored(profile_of(threads=1), tmp_path)
    assert "no samples with 2 threads" in complaint(partway, "serve", tmp_path, "--threads", "2", "--profile", path)
    assert "cannot read" in complaint(partway, "serve", tmp_path, "--profile", tmp_path / "none.json")


def test_wrong_options_are_one_line(partway: Command, tmp_path: Path) -> None:
    for words in (
        ("--port", "65536"),
        ("--max-message", "64"),
        ("--max-message", "3GB"),
        ("--queue", "0"),
        ("--queue", "1025"),
        ("--requests-per-client", "0"),
        ("--pieces-per-minute", "-1"),
        ("--memory", "1kB"),
        ("--batch-size", "0"),
        ("--batch-size", "65"),
        ("--batch-size", "two"),
        ("--batch-wait", "2"),
        ("--batch-wait", "2s"),
    ):
        assert f"argument {words[0]}" in complaint(partway, "serve", tmp_path, *words)


def test_an_address_in_use_is_one_line(partway: Command, tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        port = server.address.rpartition(":")[2]
        assert "cannot be listened on" in complaint(partway, "serve", tmp_path, "--port", port)


def test_rest_is_told_in_the_same_line_and_logs_may_be_json(tmp_path: Path) -> None:
    chain_model(tmp_path)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "partway", "serve", str(tmp_path)),
            *("--port", "0", "--rest-port", "0", "--log-format", "json", "--verbose"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " models=1 rest=127.0.0.1:" in line
        with urllib.request.urlopen(f"http://{line.split('rest=')[1].strip()}/v2/health/live") as answer:
            assert json.load(answer) == {"live": True}
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[-2:] == ["server_draining", "server_stopped"]


def test_what_rest_needs_is_named_where_it_is_not_installed(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "partway.serving.prometheus", raising=False)
    assert "pip install 'partway[rest]'" in complaint(partway, "serve", tmp_path, "--rest-port", "0")


def test_what_is_there_before_the_first_request_is_never_collected() -> None:
    try:
        spare_modules()
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_neither_logs_nor_the_list_of_processes_show_a_token(tmp_path: Path) -> None:
    model, tokens = chain_model(tmp_path / "repository"), token_file(tmp_path / "tokens")
    words = [
        "serve",
        str(model.parent),
        "--port",
        "0",
        "--token-file",
        str(tokens),
        "--verbose",
        "--log-format",
        "json",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "partway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
    ) as process:
        assert process.stdout is not None
        url = "grpc://" + process.stdout.readline().split()[1].removeprefix("address=")
        for token in (TOKEN, OTHER_TOKEN):
            transport = connect(url, clock=time.monotonic, credentials=Credentials(token=token))
            with pytest.raises(ServerError):
                transport.start(InferRequest(model_name="none"), 60.0).result()
            transport.close()
        shown = Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/environ").read_text()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert "NOT_FOUND" in err
    assert "UNAUTHENTICATED" in err
    assert not [token for token in (TOKEN, OTHER_TOKEN) if token in err + shown]
