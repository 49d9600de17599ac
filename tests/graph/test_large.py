"""A model of more than 2 GB, which protobuf cannot hold. Its weights are zeros in a sparse file.

Canonicalising writes the weights twice, about 7 GB of disk and half a minute: run it with PARTWAY_TEST_LARGE=1.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.graph.support import RUNTIME, canonical, save, value

from partway.engine import PieceStore
from partway.graph import single_tensor_cuts
from partway.verification import run_cut

ROWS, ROW_BYTES = 2200, 2**20


@pytest.mark.skipif("PARTWAY_TEST_LARGE" not in os.environ, reason="set PARTWAY_TEST_LARGE=1: needs 7 GB of disk")
def test_a_model_of_more_than_two_gigabytes_is_opened_canonicalised_and_cut(tmp_path: Path) -> None:
    table = TensorProto(name="table", data_type=TensorProto.UINT8, dims=[ROWS, ROW_BYTES])
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="table.bin")
    path = save(
        tmp_path / "large.onnx",
        [
            helper.make_node("Gather", ["table", "index"], ["row"]),
            helper.make_node("Cast", ["row"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["wide"], ["y"], axes=[1]),
        ],
        [value("index", 1, element=TensorProto.INT64)],
        [value("y", 1, 1)],
        [table],
    )
    with (tmp_path / "table.bin").open("wb") as file:
        file.truncate(ROWS * ROW_BYTES)
        file.seek((ROWS - 1) * ROW_BYTES)
        file.write(b"\x02" * ROW_BYTES)
    model = canonical(path)
    assert model.weight_bytes > 2**31
    cuts = single_tensor_cuts(model)
    assert [cut.crossing for cut in cuts] == [("index",), ("row",), ("wide",)]
    store = PieceStore(model, RUNTIME)
    for cut in cuts:
        np.testing.assert_array_equal(run_cut(store, cut, {"index": np.array([ROWS - 1])})["y"], [[2]])
    store.want(cuts)
    store.promote()
    np.testing.assert_array_equal(run_cut(store, cuts[1], {"index": np.array([ROWS - 1])})["y"], [[2]])
