"""An unmodified tritonclient.http against a server: a process of its own, since gevent has to come before sockets.

Arguments: the server's address, a model's name, and an .npz of what to feed. Output: one .npz of what came back.
"""

import sys

import numpy as np
import pytest
import tritonclient.http as triton


def main(address: str, model: str, feeds: str, answer: str) -> None:
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert client.is_model_ready(model, "1")
    assert not client.is_model_ready("broken")
    assert client.get_server_metadata()["name"] == "partway"
    assert client.get_model_metadata(model)["outputs"][0]["name"] == "scores"
    found: list[np.ndarray] = []
    for binary_in in (True, False):
        inputs = []
        for name, array in np.load(feeds).items():
            tensor = triton.InferInput(name, list(array.shape), "FP32")
            tensor.set_data_from_numpy(array, binary_data=binary_in)
            inputs.append(tensor)
        for outputs in (
            None,
            [triton.InferRequestedOutput("scores", binary_data=True)],
            [triton.InferRequestedOutput("scores", binary_data=False)],
        ):
            result = client.infer(model, inputs, request_id="seven", outputs=outputs, timeout=60_000_000)
            assert result.get_response()["id"] == "seven"
            found.append(result.as_numpy("scores"))
    with pytest.raises(triton.InferenceServerException, match="there is no model"):
        client.infer("nothing", inputs)
    with pytest.raises(triton.InferenceServerException, match="not offered"):
        client.infer(model, inputs, outputs=[triton.InferRequestedOutput("scores", class_count=2)])
    client.close()
    np.savez(answer, *found)


if __name__ == "__main__":
    main(*sys.argv[1:])
