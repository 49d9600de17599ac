"""Partway: run an ONNX model partway on the device and the rest on a server."""

__version__ = "0.1.0"
