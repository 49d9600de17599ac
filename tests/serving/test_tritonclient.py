from pathlib import Path

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
