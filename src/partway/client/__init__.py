"""The device's side: a session like onnxruntime's, whose requests run wherever they are answered first."""

from partway.client.call import Answer, Call
from partway.client.result import Result
from partway.client.session import InferenceSession
from partway.client.transport import GrpcTransport, Transport, connect

__all__ = ["Answer", "Call", "GrpcTransport", "InferenceSession", "Result", "Transport", "connect"]
