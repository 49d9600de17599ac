"""What a codec takes is service, and no tail's."""

from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model, random_feeds, run_whole
from tests.serving.support import Clock, run_tensors
from tests.serving.test_meaning import model_of

from partway.codecs import Coded, codec_named
from partway.engine import OrtRuntime
from partway.graph import Source
from partway.serving import computation
from partway.serving.computation import Computation
from partway.serving.decoding import CodedTensor, decode_tensors
from partway.serving.executor import Executor
from partway.serving.models import BoundModel


def test_decoding_counts_as_service_and_not_as_the_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = chain_model(tmp_path)
    feeds = random_feeds(path)
    pooled = run_tensors(path, feeds, ("pool1",))["pool1"]
    bound = BoundModel(model_of(Source.open(path)), OrtRuntime(threads=1))
    piece = bound.tail(("pool1",), ())
    coded = CodedTensor(codec=codec_named("float16"), coded=Coded(array=pooled.astype(np.float16)))
    clock = Clock()

    def decode(model: object, tensors: object) -> dict[str, np.ndarray]:
        clock.advance(2.0)
        return decode_tensors(bound.model, {"pool1": coded})

    monkeypatch.setattr(computation, "decode_tensors", decode)
    executor = Executor(clock=clock)
    job = Computation(bound, piece, {}, {"pool1": coded}, executor=executor, clock=clock, lead_s=0.5)
    served = executor.submit(job.run, lead_s=0.5, aside_s=lambda: job.decoding_s).result(60.0)
    executor.close()
    np.testing.assert_allclose(served.value["scores"], run_whole(path, feeds)["scores"], rtol=0.05, atol=0.01)
    assert served.load.service_s == pytest.approx(2.5)
    assert job.decoding_s == 2.0
    estimate = bound.costs.estimate(piece)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(0.5)
