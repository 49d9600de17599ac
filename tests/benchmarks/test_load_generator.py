import asyncio
import itertools
from pathlib import Path

import numpy as np
import pytest
from benchmarks.busy_model import write_busy_model
from benchmarks.load_generator import capacity_per_s, gaps_s, request_for, send_at, until_s
from hypothesis import given
from hypothesis import strategies as st

from partway.engine import OrtRuntime
from partway.graph import Cache
from partway.serving import ServerOptions, run_server


@given(rate_per_s=st.floats(0.1, 1000), seed=st.integers(0, 2**32 - 1))
def test_arrivals_come_at_the_rate_that_was_asked_for(rate_per_s: float, seed: int) -> None:
    gaps = list(itertools.islice(gaps_s(rate_per_s, np.random.default_rng(seed)), 10_000))
    assert np.mean(gaps) == pytest.approx(1 / rate_per_s, rel=0.06)  # six standard errors
    assert np.std(gaps) == pytest.approx(1 / rate_per_s, rel=0.15)  # as of a Poisson process


@given(seconds=st.floats(0, 100), seed=st.integers(0, 100))
def test_no_arrival_comes_after_the_end(seconds: float, seed: int) -> None:
    every = gaps_s(10, np.random.default_rng(seed))
    kept = list(until_s(gaps_s(10, np.random.default_rng(seed)), seconds))
    assert sum(kept) <= seconds * (1 + 1e-9)
    assert kept == pytest.approx(list(itertools.islice(every, len(kept))), abs=1e-9)
    assert sum(kept) + next(every) > seconds


def test_every_request_sent_is_answered_or_accounted_for(tmp_path: Path) -> None:
    write_busy_model(tmp_path / "busy.onnx", convolutions=1)
    options = ServerOptions(runtime=OrtRuntime(threads=1), cache=Cache(tmp_path / "cache"), learn=False)
    with run_server(tmp_path, options=options) as server:
        server.settle(60)
        content = request_for(server.url, "busy")
        assert capacity_per_s(server.url, content, seconds=0.2) > 0
        report = asyncio.run(send_at(server.url, content, iter([0.0] * 40), asyncio.Event(), patience_s=60))
    assert report.sent == 40
    assert report.answered + report.refused + sum(report.failed.values()) == 40
    assert report.answered > 0
