"""Partway: run an ONNX model partway on the device and the rest on a server, cut wherever that is fastest."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partway.client import Credentials, InferenceSession, Result
    from partway.errors import PartwayError

__version__ = "0.1.0"
__all__ = ["Credentials", "InferenceSession", "PartwayError", "Result", "__version__"]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    # The runtime and its graph libraries take half a second to import: not before they are used.
    if name in ("Credentials", "InferenceSession", "Result"):
        from partway import client  # noqa: PLC0415 - the point of this function

        return getattr(client, name)
    if name == "PartwayError":
        from partway.errors import PartwayError  # noqa: PLC0415 - the point of this function

        return PartwayError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
