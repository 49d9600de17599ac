"""What our errors mean to a client, in gRPC's words and in HTTP's numbers.

Input: an error that the handlers raised. Output: its status. Called by both faces, so that a bad request gets the
same answer whichever way it came.
"""

from enum import Enum

import grpc

from partway.errors import (
    BodyRefused,
    BodyTooSlow,
    InputError,
    MessageTooLong,
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
    """How a request ended: gRPC's word for it and HTTP's number, which knows more kinds.

    Source: google.rpc.Code's HTTP mapping; what is our model's mismatch and no malformed request is 409 there.
    """

    OK = ("OK", 200)
    INVALID_ARGUMENT = ("INVALID_ARGUMENT", 400)
    UNAUTHENTICATED = ("UNAUTHENTICATED", 401)
    NOT_FOUND = ("NOT_FOUND", 404)
    BODY_TOO_SLOW = ("DEADLINE_EXCEEDED", 408)
    FAILED_PRECONDITION = ("FAILED_PRECONDITION", 409)
    MESSAGE_TOO_LONG = ("RESOURCE_EXHAUSTED", 413)
    BODY_REFUSED = ("UNIMPLEMENTED", 415)
    RESOURCE_EXHAUSTED = ("RESOURCE_EXHAUSTED", 429)
    INTERNAL = ("INTERNAL", 500)
    UNAVAILABLE = ("UNAVAILABLE", 503)
    DEADLINE_EXCEEDED = ("DEADLINE_EXCEEDED", 504)

    @property
    def grpc_code(self) -> grpc.StatusCode:
        """The code that a gRPC call ends with."""
        return grpc.StatusCode[self.value[0]]

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
    (BodyTooSlow, Status.BODY_TOO_SLOW),
    (BodyRefused, Status.BODY_REFUSED),
    (MessageTooLong, Status.MESSAGE_TOO_LONG),
    (InputError, Status.INVALID_ARGUMENT),
    (WireError, Status.INVALID_ARGUMENT),
)


def status_of(error: PartwayError) -> Status:
    """The status that says what an error means to a client; `INTERNAL` for what is no client's fault."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), Status.INTERNAL)
