"""A tail as a model of a Triton repository, which KServe and `partway serve` load too.

    repository/
      resnet50_tail/
        config.pbtxt
        1/model.onnx        its weights inside, or in the file beside it

Input: what goes into the tail and what comes out. Output: the text of `config.pbtxt`, and a name that any file
system and URL takes. Called by `partway split`.

Source: Triton Inference Server, 'Model Configuration' and 'Model Repository'; onnxruntime_backend pull request 213
for scalars, its onnxruntime_utils.cc for element types.
"""

import re
from collections.abc import Iterable

from partway.errors import InputError, WireError
from partway.graph import TensorInfo
from partway.wire import datatype_of

MODEL_FILE = "1/model.onnx"
CONFIG_FILE = "config.pbtxt"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def tail_name(stem: str) -> str:
    """The name of a tail in a repository: letters, digits, `_` and `-` only.

    Args:
        stem: of the file that was split.
    """
    return f"{_UNSAFE.sub('_', stem).strip('_') or 'model'}_tail"


def parse_name(text: str) -> str:
    """A name that the user gave.

    Raises:
        InputError: it has other characters than letters, digits, `_` and `-`.
    """
    if not text or _UNSAFE.search(text):
        raise InputError(f"{text!r} names no model; use letters, digits, _ and -, for instance {tail_name(text)}")
    return text


def write_config(name: str, inputs: Iterable[TensorInfo], outputs: Iterable[TensorInfo]) -> str:
    """The text of a tail's `config.pbtxt`.

    Shapes are given in full and nothing is batched, since a tail holds for one binding.

    Args:
        name: of the model; its folder has the same.
        inputs: what the tail is fed.
        outputs: what it makes.

    Raises:
        InputError: Triton cannot take one of them.
    """
    lines = [
        f"name: {_quoted(name)}",
        'platform: "onnxruntime_onnx"',
        'backend: "onnxruntime"',
        "max_batch_size: 0",
    ]
    for label, tensors in (("input", inputs), ("output", outputs)):
        for tensor in tensors:
            dims = ", ".join(map(str, _dims(tensor)))
            lines += [
                f"{label} {{",
                f"  name: {_quoted(tensor.name)}",
                f"  data_type: {_data_type(tensor)}",
                f"  dims: [ {dims} ]",
                "}",
            ]
    return "\n".join((*lines, ""))


def _dims(tensor: TensorInfo) -> tuple[int, ...]:
    if tensor.shape is None or 0 in tensor.shape:
        wanted = "whose dimensions are known" if tensor.shape is None else "that are not empty"
        raise InputError(f"Triton takes only tensors {wanted}; {tensor.name!r} is {tensor.describe()}")
    # A scalar is one element to Triton, which its ONNX backend hands on as a scalar; the empty `reshape` of other
    # backends is refused where nothing is batched.
    return tuple(length if isinstance(length, int) else -1 for length in tensor.shape) or (1,)


def _data_type(tensor: TensorInfo) -> str:
    try:
        datatype = None if tensor.dtype is None else datatype_of(tensor.dtype)
    except WireError:
        datatype = None
    # The protocol has bfloat16; Triton's ONNX backend does not.
    if datatype is None or datatype == "BF16":
        raise InputError(
            f"Triton's ONNX backend has no type for {tensor.name!r}, which is {tensor.describe()}; cut where "
            "other tensors cross, or leave --triton out"
        )
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def _quoted(text: str) -> str:
    plain = (
        letter
        if letter.isascii() and letter.isprintable() and letter not in '"\\'
        else "".join(f"\\{byte:03o}" for byte in letter.encode())
        for letter in text
    )
    return f'"{"".join(plain)}"'
