"""Partway: run an ONNX model partway on the device and the rest on a server, cut wherever that is fastest."""

import logging

from partway.client import InferenceSession, Result
from partway.errors import PartwayError

__version__ = "0.1.0"
__all__ = ["InferenceSession", "PartwayError", "Result", "__version__"]

logging.getLogger(__name__).addHandler(logging.NullHandler())
