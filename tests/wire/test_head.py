import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.strategies import law

from partway.errors import WireError
from partway.wire import BINDING, InferRequest, Limits, Tensor, encode_request, peek_request

ONE = (Tensor(name="x", array=np.zeros(3, np.uint8)),)


@law
@given(
    name=st.text(max_size=20),
    version=st.text(max_size=5),
    binding=st.none() | st.text(max_size=50),
    lengths=st.lists(st.integers(0, 50), max_size=4),
)
def test_a_head_is_the_request_s(name: str, version: str, binding: str | None, lengths: list[int]) -> None:
    request = InferRequest(
        model_name=name,
        model_version=version,
        tensors=tuple(Tensor(name=str(row), array=np.zeros(length, np.uint8)) for row, length in enumerate(lengths)),
        parameters={"other": 1} if binding is None else {BINDING: binding, "other": 1},
    )
    head = peek_request(encode_request(request), Limits())
    if not lengths:
        assert head is None
        return
    assert head is not None
    assert (head.model_name, head.model_version, head.binding) == (name, version, binding)
    assert head.raw_bytes == sum(lengths)


def test_a_binding_that_is_no_text_is_none() -> None:
    head = peek_request(encode_request(InferRequest(model_name="m", tensors=ONE, parameters={BINDING: 7})), Limits())
    assert head is not None
    assert head.binding is None


def test_a_head_without_end_is_refused() -> None:
    request = InferRequest(model_name="m", tensors=ONE, parameters={BINDING: "x" * 2**20})
    with pytest.raises(WireError, match="beside raw tensors stand"):
        peek_request(encode_request(request), Limits())


@law
@given(st.binary(max_size=200))
def test_any_bytes_have_a_head_or_are_no_message(data: bytes) -> None:
    with contextlib.suppress(WireError):
        head = peek_request(data, Limits())
        assert head is None or head.raw_bytes <= len(data)
