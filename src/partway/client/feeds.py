"""What callers feed, as the rest of the client reads it. Called by the session."""

from collections.abc import Mapping

import numpy as np

from partway.engine import OrtSession
from partway.errors import BindingError, InputError
from partway.graph import match_value


def match_values(whole: OrtSession, bind: Mapping[str, np.ndarray | float]) -> dict[str, np.ndarray]:
    """The inputs held constant, in the element types that the model wants.

    Raises:
        InputError: the model has no such input.
        BindingError: a value does not fit its input.
    """
    known = {tensor.name: tensor for tensor in (*whole.input_infos, *whole.optional_infos)}
    for name in bind:
        if name not in known:
            raise InputError(f"the model has no input {name!r} to bind; its inputs are {', '.join(known)}")
    return {name: match_value(known[name], np.asarray(value)) for name, value in bind.items()}


def read_feeds(
    given: Mapping[str, np.ndarray], *, held: Mapping[str, np.ndarray], dtypes: Mapping[str, np.dtype | None]
) -> dict[str, np.ndarray]:
    """The feeds of one request, as arrays of this machine's byte order.

    What onnxruntime takes is taken: arrays of any byte order, lists of numbers, and lists of arrays for sequences.

    Args:
        given: what the caller fed.
        held: inputs held constant; feeding them the same value is no mistake.
        dtypes: of the model's inputs.

    Raises:
        BindingError: a feed contradicts a held input.
    """
    feeds = {}
    for name, value in given.items():
        if name in held:
            if not np.array_equal(np.asarray(value), held[name]):
                raise BindingError(f"input {name!r} is held at {held[name]}; it was fed {value!r} instead")
        elif isinstance(value, np.ndarray):
            feeds[name] = value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
        else:
            dtype = dtypes.get(name)
            feeds[name] = value if dtype is None else np.asarray(value, dtype=dtype)
    return feeds
