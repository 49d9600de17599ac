from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from partway.cli.opening import read_feeds
from partway.errors import InputError
from partway.graph import TensorInfo

IMAGE = TensorInfo(name="image", dtype=np.dtype(np.float32), shape=(1, 2))
STATE = TensorInfo(name="state", dtype=np.dtype(ml_dtypes.bfloat16), shape=(2,))
ARRAY = np.ones((1, 2), np.float32)


def test_a_sole_array_feeds_a_sole_input(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, ARRAY)
    assert read_feeds(path, (IMAGE,), ("image",))["image"].tolist() == [[1, 1]]
    with pytest.raises(InputError, match=r"give an \.npz"):
        read_feeds(path, (IMAGE, STATE), ("image", "state"))


def test_an_archive_feeds_inputs_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, image=ARRAY)
    assert list(read_feeds(path, (IMAGE, STATE), ("image",))) == ["image"]
    with pytest.raises(InputError, match="no array 'state'; it holds image"):
        read_feeds(path, (IMAGE, STATE), ("image", "state"))
    with pytest.raises(InputError, match="'image', which is no input"):
        read_feeds(path, (STATE,), ("state",))


def test_types_that_numpy_files_cannot_name_are_understood_by_the_input_s(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, state=np.array([1, 2], ml_dtypes.bfloat16))
    feeds = read_feeds(path, (STATE,), ("state",))
    assert feeds["state"].dtype == ml_dtypes.bfloat16
    assert feeds["state"].astype(float).tolist() == [1, 2]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY broken", b"plain text"])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds no plain NumPy arrays"):
        read_feeds(path, (IMAGE,), ("image",))


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the inputs"):
        read_feeds(tmp_path / "none.npz", (IMAGE,), ("image",))
    with pytest.raises(InputError, match="cannot read the inputs"):
        read_feeds(tmp_path, (IMAGE,), ("image",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, image=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="holds no plain NumPy arrays"):
        read_feeds(path, (IMAGE,), ("image",))
