"""What our errors mean to a client, in gRPC's words and in HTTP's numbers.

Input: an error that the handlers raised. Output: its status. Called by both faces, so that a bad request gets the
same answer whichever way it came.
"""

from enum import Enum

import grpc

from partway.errors import (
    InputError,
    ModelMismatch,
    ModelNotFound,
    ModelUnavailable,
    NotAuthenticated,
    PartwayError,
    RequestExpired,
    ServerBusy,
    WireError,
)


class Status(Enum):
    """How a request ended: the name is gRPC's word, the value HTTP's number.

    Source: google.rpc.Code's HTTP mapping; what is our model's mismatch and no malformed request is 409 there.
    """

    OK = (0, 200)
    INVALID_ARGUMENT = (3, 400)
    DEADLINE_EXCEEDED = (4, 504)
    NOT_FOUND = (5, 404)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 409)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)
    UNAUTHENTICATED = (16, 401)

    @property
    def grpc_code(self) -> grpc.StatusCode:
        """The code that a gRPC call ends with."""
        return grpc.StatusCode[self.name]

    @property
    def http_code(self) -> int:
        """The number that an HTTP response begins with."""
        return self.value[1]


# A subclass that has a status of its own stands before its base.
_STATUSES: tuple[tuple[type[PartwayError], Status], ...] = (
    (NotAuthenticated, Status.UNAUTHENTICATED),
    (ModelNotFound, Status.NOT_FOUND),
    (ModelMismatch, Status.FAILED_PRECONDITION),
    (ModelUnavailable, Status.UNAVAILABLE),
    (ServerBusy, Status.RESOURCE_EXHAUSTED),
    (RequestExpired, Status.DEADLINE_EXCEEDED),
    (InputError, Status.INVALID_ARGUMENT),
    (WireError, Status.INVALID_ARGUMENT),
)


def status_of(error: PartwayError) -> Status:
    """The status that says what an error means to a client; `INTERNAL` for what is no client's fault."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), Status.INTERNAL)
