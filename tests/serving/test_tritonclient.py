import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.models import random_feeds, run_whole
from tests.serving.support import assert_close, run_tensors

from partway.serving import Server

tritonclient = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient needs protobuf < 7: install it into an environment of its own"
)


@pytest.mark.parametrize("crossing", [(), ("pool1",), ("logits",)], ids=["whole", "pool1", "logits"])
def test_an_unmodified_tritonclient_gets_the_whole_models_answer(
    crossing: tuple[str, ...], server: Server, folder: Path
) -> None:
    path = folder / "chain.onnx"
    feeds = random_feeds(path)
    sent = run_tensors(path, feeds, crossing) if crossing else feeds
    with tritonclient.InferenceServerClient(server.address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("chain")
        assert client.get_server_metadata().name == "partway"
        assert client.get_model_metadata("chain").inputs[0].name == "image"
        inputs = []
        for name, array in sent.items():
            tensor = tritonclient.InferInput(name, list(array.shape), "FP32")
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        answer = client.infer("chain", inputs)
    assert_close({"scores": answer.as_numpy("scores")}, run_whole(path, feeds))


@pytest.mark.parametrize("crossing", [(), ("pool1",)], ids=["whole", "pool1"])
def test_an_unmodified_tritonclient_gets_it_over_http_too(
    crossing: tuple[str, ...], server: Server, folder: Path, tmp_path: Path
) -> None:
    path = folder / "chain.onnx"
    feeds = random_feeds(path)
    sent = run_tensors(path, feeds, crossing) if crossing else feeds
    np.savez(tmp_path / "feeds.npz", **sent)  # type: ignore[arg-type]  # numpy takes any names
    program = Path(__file__).parent / "triton_http.py"
    words = [str(server.rest_address), "chain", str(tmp_path / "feeds.npz"), str(tmp_path / "answer.npz")]
    finished = subprocess.run([sys.executable, str(program), *words], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    expected = run_whole(path, feeds)
    answers = np.load(tmp_path / "answer.npz")
    assert len(answers.files) == 6
    for name in answers.files:
        assert_close({"scores": answers[name]}, expected)
