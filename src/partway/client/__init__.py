"""The device's side: a session like onnxruntime's, whose requests run wherever they are answered first."""

from partway.client.call import Answer, Call
from partway.client.channel import Door, Route, read_route
from partway.client.counters import Counters
from partway.client.credentials import Credentials
from partway.client.result import Result
from partway.client.session import InferenceSession
from partway.client.transport import GrpcTransport, Transport, connect

__all__ = [
    "Answer",
    "Call",
    "Counters",
    "Credentials",
    "Door",
    "GrpcTransport",
    "InferenceSession",
    "Result",
    "Route",
    "Transport",
    "connect",
    "read_route",
]
