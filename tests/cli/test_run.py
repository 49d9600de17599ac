from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, Authority, token_file
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.model_profiles import profile_of, stored
from tests.models import chain_model, dynamic_model, multi_io_model, optional_input_model, run_whole, typed_models

from partway.serving import ServerOptions, run_server

SECONDS = ("device_s", "uplink_s", "server_s", "downlink_s", "total_s")


def test_a_request_on_the_device_alone_says_why(partway: Command, tmp_path: Path) -> None:
    finished = partway("run", chain_model(tmp_path))
    assert (finished.status, finished.err) == (0, "")
    assert "(device alone)" in finished.out
    assert "scores float32[1,5]" in finished.text
    assert "why the device alone, since no server was given" in finished.text


def test_json_has_the_documented_keys(partway: Command, tmp_path: Path) -> None:
    document = partway("run", chain_model(tmp_path), "--repeat", 3, "--json").document
    assert document["outputs"] == [{"name": "scores", "shape": [1, 5], "dtype": "float32"}]
    assert document["cut"] == {"crossing": []}
    assert document["fell_back"] is False
    assert all(document[key] >= 0 for key in SECONDS)
    assert len(document["requests"]) == 3


def test_outputs_are_written_and_are_the_model_s(partway: Command, tmp_path: Path) -> None:
    path, inputs, outputs = multi_io_model(tmp_path), tmp_path / "x.npz", tmp_path / "y.npz"
    feeds: dict[str, Any] = {
        "a": np.full((1, 4), 0.5, np.float32),
        "b": np.full((1, 6), -0.25, np.float32),
        "late": np.full((1, 3), 2.0, np.float32),
    }
    np.savez(inputs, **feeds)
    finished = partway("run", path, "--input", inputs, "--output", outputs)
    assert f"written {outputs}" in finished.text
    with np.load(outputs, allow_pickle=False) as written:
        for name, array in run_whole(path, feeds).items():
            np.testing.assert_allclose(written[name], array, rtol=1e-5)


def test_written_outputs_of_unusual_types_feed_the_next_run(partway: Command, tmp_path: Path) -> None:
    models, inputs, outputs = typed_models(tmp_path), tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(inputs, x=np.array([["1", "2", "3"], ["4", "5", "6"]]))
    assert partway("run", models["STRING"], "--input", inputs, "--output", outputs).status == 0
    with np.load(outputs, allow_pickle=False) as written:
        assert float(written["y"][0, 0]) == 2.0
    assert partway("run", models["BFLOAT16"], "--output", outputs).status == 0
    with np.load(outputs, allow_pickle=False) as written:
        np.savez(inputs, x=written["y"][:2, :3])
    assert partway("run", models["BFLOAT16"], "--input", inputs).status == 0


def test_random_inputs_follow_the_seed_and_the_shape(partway: Command, tmp_path: Path) -> None:
    path, first, second, third = dynamic_model(tmp_path), *(tmp_path / f"{name}.npz" for name in "abc")
    words = ("run", path, "--shape", "image=2,3,8,8", "--output")
    partway(*words, first)
    partway(*words, second)
    partway(*words, third, "--seed", "1")
    arrays = [np.load(file)["scores"] for file in (first, second, third)]
    assert arrays[0].shape == (2, 5)
    np.testing.assert_array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])


def test_optional_inputs_keep_their_default(partway: Command, tmp_path: Path) -> None:
    assert partway("run", optional_input_model(tmp_path)).status == 0


def test_an_emulated_device_is_labelled(partway: Command, tmp_path: Path) -> None:
    words = ("run", chain_model(tmp_path), "--device-slowdown", "3")
    assert "device EMULATED 3x slower" in partway(*words).text
    assert partway(*words, "--json").document["emulated_slowdown"] == 3


def test_a_profile_of_the_device_is_used_or_refused_in_one_line(partway: Command, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = chain_model(folder)
    profile = stored(profile_of(path, threads=1), tmp_path)
    with run_server(folder) as server:
        words = ("run", path, "--server", server.url, "--wait", "--threads", "1", "--profile", profile)
        assert partway(*words, "--json").status == 0
    assert "only with 1" in complaint(partway, "run", path, "--threads", "2", "--profile", profile)


def test_a_server_answers_what_the_device_sends(partway: Command, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = chain_model(folder)
    alone, offloaded = tmp_path / "alone.npz", tmp_path / "offloaded.npz"
    partway("run", path, "--output", alone)
    with run_server(folder) as server:
        # So slow a device that a server on loopback is always worth its round trip.
        words = ("run", path, "--server", server.url, "--wait", "--device-slowdown", "500", "--output", offloaded)
        document = partway(*words, "--json").document
    assert document["offloaded"] is True
    assert document["cut"]["crossing"] != []
    assert document["up_bytes"] > 0
    assert sum(document[key] for key in SECONDS[:-1]) == pytest.approx(document["total_s"])
    np.testing.assert_allclose(np.load(offloaded)["scores"], np.load(alone)["scores"], rtol=1e-4)


def test_an_absent_server_is_no_error(partway: Command, tmp_path: Path) -> None:
    words = ("run", chain_model(tmp_path), "--server", "grpc://127.0.0.1:1")
    assert "note no request waited for the costs of the cuts" in partway(*words).text
    document = partway(*words, "--json").document
    assert document["offloaded"] is False
    assert document["reason"].startswith("the device alone, since")


def test_wrong_options_are_one_line(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    assert "write grpc://host:port" in complaint(partway, "run", path, "--server", "http://host")
    assert "give --server too" in complaint(partway, "run", path, "--wait")
    assert "argument --repeat" in complaint(partway, "run", path, "--repeat", "0")
    assert "there is no folder" in complaint(partway, "run", path, "--output", tmp_path / "none" / "y.npz")


def test_wrong_inputs_are_one_line(partway: Command, tmp_path: Path) -> None:
    path, file = chain_model(tmp_path), tmp_path / "x.npz"
    np.savez(file, picture=np.zeros((1, 3, 8, 8), np.float32))
    assert "'picture', which is no input" in complaint(partway, "run", path, "--input", file)
    np.savez(file, image=np.zeros((1, 3, 8, 8)))
    assert "it was fed float64" in complaint(partway, "run", path, "--input", file)
    np.savez(file, image=np.zeros((1, 3, 9, 9), np.float32))
    assert "does not fit" in complaint(partway, "run", path, "--input", file)


@pytest.mark.parametrize("verb", ["run", "bench --link wifi --requests 1"])
def test_a_plan_of_another_model_is_refused_before_anything_runs(partway: Command, tmp_path: Path, verb: str) -> None:
    plan = tmp_path / "plan.json"
    assert partway("plan", chain_model(tmp_path), "--link", "lte", "-o", plan).status == 0
    name, *options = verb.split()
    assert "make the plan anew" in complaint(partway, name, multi_io_model(tmp_path), *options, "--plan", plan)


def test_a_plan_that_keeps_the_inputs_is_not_measured_by_sending_them_away(partway: Command, tmp_path: Path) -> None:
    path, plan = chain_model(tmp_path), tmp_path / "plan.json"
    assert partway("plan", path, "--link", "lte", "--keep-on-device", "inputs", "-o", plan).status == 0
    told = complaint(partway, "bench", path, "--server", "grpc://127.0.0.1:1", "--requests", "1", "--plan", plan)
    assert "keeps inputs on the device, and server-only would send it" in told


def test_a_server_with_tls_and_tokens_answers_who_has_both(partway: Command, tmp_path: Path) -> None:
    model, authority = chain_model(tmp_path / "repository"), Authority(tmp_path / "authority")
    token, wrong = token_file(tmp_path / "token", TOKEN), token_file(tmp_path / "wrong", OTHER_TOKEN)
    options = ServerOptions(tls=authority.server(), tokens=token_file(tmp_path / "tokens"))
    with run_server(model.parent, options=options) as server:
        words = ("run", model, "--server", server.url, "--ca", authority.ca)
        asked = partway(*words, "--token-file", token, "--wait", "--json")
        assert asked.document["expected_s"] is not None  # the server told what its tails cost
        refused = partway(*words, "--token-file", wrong, "--repeat", 50, "--json")
        assert refused.status == 0
        assert not refused.document["offloaded"]
        assert TOKEN not in asked.out + asked.err
        assert OTHER_TOKEN not in refused.out + refused.err


def test_credentials_that_cannot_be_used_are_one_line(partway: Command, tmp_path: Path) -> None:
    model, token = chain_model(tmp_path), token_file(tmp_path / "token", TOKEN)
    far = ("--server", "grpc://192.0.2.1:8001")
    for words, sentence in (
        (("--token-file", token), "give --server too"),
        ((*far, "--token-file", token), "would travel in the clear to 192.0.2.1:8001"),
        ((*far, "--ca", token), "write grpcs://192.0.2.1:8001"),
        ((*far, "--key", token), "go together"),
        (("--server", "grpcs://192.0.2.1:8001", "--ca", token), "holds no certificate in PEM"),
    ):
        assert sentence in complaint(partway, "run", model, *words)
