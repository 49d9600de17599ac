"""Tensors are packed where that pays, and packing is timed as what it will take."""

from pathlib import Path

import numpy as np
import pytest
from tests.client.loopback import decoded
from tests.models import chain_model

from partway.client.packing import Packer, lossless_codecs
from partway.codecs import Coded, encode_tensor
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Model, Source, canonicalise, cut_at
from partway.testing import FakeClock
from partway.wire import CODEC

pytest.importorskip("zstandard")

ENCODE_S, DECODE_S = 0.5, 0.25
SPARSE = np.zeros((1, 8, 4, 4), np.float32)
NOISE = np.random.default_rng(0).integers(0, 2**32, (1, 8, 4, 4), np.uint32).view(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    source = Source.open(chain_model(tmp_path))
    return canonicalise(source, source.bind(), OrtRuntime(threads=1))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """Codecs take half a second to encode and a quarter to decode."""

    def encode(name: str, array: np.ndarray) -> tuple[str, Coded]:
        clock.advance(ENCODE_S)
        return encode_tensor(name, array)

    monkeypatch.setattr("partway.client.packing.encode_tensor", encode)
    monkeypatch.setattr("partway.client.packing.decode_tensor", lambda *_, **__: clock.advance(DECODE_S))


def packer(clock: FakeClock, slowdown: float = 1.0) -> Packer:
    return Packer(slowdown=slowdown, clock=clock, sleep=clock.sleep)


def test_raw_tensors_travel_as_they_are(model: Model, clock: FakeClock) -> None:
    packed = packer(clock).pack(model, "raw", {"pool1": SPARSE})
    assert packed.tensors[0].array is SPARSE
    assert not packed.tensors[0].parameters
    assert (packed.saved_bytes, packed.encode_s) == (0, 0.0)


def test_what_compresses_is_packed_and_says_with_what(model: Model, clock: FakeClock) -> None:
    packed = packer(clock).pack(model, "zstd", {"pool1": SPARSE})
    (tensor,) = packed.tensors
    assert tensor.parameters[CODEC] == "zstd"
    assert packed.saved_bytes == SPARSE.nbytes - tensor.array.nbytes
    np.testing.assert_array_equal(decoded(tensor, model), SPARSE)


def test_what_does_not_compress_travels_raw_beside_what_does(model: Model, clock: FakeClock) -> None:
    image = np.zeros(model.tensors["image"].static_shape or (), np.float32)
    packed = packer(clock).pack(model, "zstd", {"pool1": NOISE, "image": image})
    noise, sparse = packed.tensors
    assert noise.array is NOISE
    assert CODEC not in noise.parameters
    assert sparse.parameters[CODEC] == "zstd"
    assert tuple(packed.coded) == ("image",)


def test_nan_travels_raw_where_a_codec_cannot_carry_it(model: Model, clock: FakeClock) -> None:
    array = SPARSE.copy()
    array[0, 0, 0, 0] = np.nan
    (tensor,) = packer(clock).pack(model, "int8", {"pool1": array}).tensors
    assert tensor.array is array


def test_a_tensor_of_another_shape_than_the_graph_says_travels_raw(model: Model, clock: FakeClock) -> None:
    array = np.zeros((1, 8, 4, 5), np.float32)
    (tensor,) = packer(clock).pack(model, "zstd", {"pool1": array}).tensors
    assert tensor.array is array


@pytest.mark.usefixtures("working")
def test_an_emulated_device_packs_as_slowly_as_it_is_measured_to(model: Model, clock: FakeClock) -> None:
    slow = packer(clock, slowdown=8.0)
    cut = cut_at(model, ("pool1",))
    coding = slow.measure(model, cut, "zstd", {"pool1": SPARSE}, turn=lambda: None)
    assert coding.encode_s == pytest.approx(8.0 * ENCODE_S)
    assert coding.decode_s == pytest.approx(DECODE_S), "the server is not the slow one"
    assert coding.up_bytes == cut.up_bytes - slow.pack(model, "zstd", {"pool1": SPARSE}).saved_bytes
    start_s = clock()
    slow.pack(model, "zstd", {"pool1": SPARSE})
    assert clock() - start_s == pytest.approx(coding.encode_s)


@pytest.mark.usefixtures("working")
def test_trying_a_slow_codec_takes_one_run_and_waits_for_its_turn(model: Model, clock: FakeClock) -> None:
    turns: list[float] = []
    packer(clock).measure(
        model, cut_at(model, ("pool1",)), "zstd", {"pool1": SPARSE}, turn=lambda: turns.append(clock())
    )
    assert turns == [0.0]


def test_all_lossless_codecs_are_used_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lossless_codecs(None) == ("raw", "zstd")
    monkeypatch.setattr("partway.client.packing.available_codecs", lambda: ("raw", "float16", "int8"))
    assert lossless_codecs(None) == ("raw",)
    assert lossless_codecs(()) == ()


@pytest.mark.parametrize(
    ("names", "message"), [(("int8",), "'int8' changes answers"), (("raw", "middle-out"), "'middle-out' is unknown")]
)
def test_lossy_and_unknown_codecs_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lossless_codecs(names)
