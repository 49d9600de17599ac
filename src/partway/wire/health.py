"""The messages of gRPC's own health service: a service's name in, one word out.

In: records, or the bytes that gRPC received. Out: the other. Called by the server's health service, and by
whoever asks it.

Source: the gRPC health checking protocol, `grpc/health/v1/health.proto`.
"""

from enum import IntEnum

from partway.errors import WireError
from partway.wire.descriptors import building, message_class, parse, serialise

HEALTH_SERVICE = "grpc.health.v1.Health"

_QUERY, _ANSWER = "HealthCheckRequest", "HealthCheckResponse"


class Health(IntEnum):
    """How a service is, by the protocol's numbers."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def encode_health_query(service: str) -> bytes:
    """The bytes of a Check's or a Watch's request.

    Raises:
        WireError: text that is not valid Unicode.
    """
    with building(_QUERY):
        return serialise(message_class(_QUERY)(service=service))


def decode_health_query(data: bytes) -> str:
    """The service that is asked about; empty for the server as a whole.

    Raises:
        WireError: not such a message.
    """
    return str(parse(_QUERY, data).service)


def encode_health(health: Health) -> bytes:
    """The bytes of an answer."""
    with building(_ANSWER):
        return serialise(message_class(_ANSWER)(status=int(health)))


def decode_health(data: bytes) -> Health:
    """An answer.

    Raises:
        WireError: not such a message, or a number that the protocol does not have.
    """
    status = parse(_ANSWER, data).status
    try:
        return Health(status)
    except ValueError as error:
        raise WireError(f"health has status {status}; expected 0 to {max(Health)}") from error
