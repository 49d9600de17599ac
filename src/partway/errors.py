"""Every error that Partway raises, in one tree.

    PartwayError
    ├── InputError              what the user gave cannot be used (exit status 2)
    │   ├── ModelError          a file is no usable ONNX model
    │   ├── BindingError        shapes or values do not bind the model's inputs
    │   ├── CutError            a set of tensors is no cut of the graph
    │   ├── DocumentError       a document cannot be read by this version
    │   ├── LinkError           a link description or trace cannot be understood
    │   ├── ScenarioError       a scenario of the simulator cannot be understood
    │   └── NothingFits         no cut keeps to the constraints
    ├── EngineError             the runtime failed on a graph it accepted before
    │   └── RunStopped          a run was ended on purpose, before it had its outputs
    ├── WireError               bytes are not a valid message, or arrived damaged
    │   ├── MessageTooLong      more bytes than are accepted
    │   └── CodecError          an encoded tensor is not what it should be, or a tensor cannot be encoded
    ├── RequestDeclined         what our own server says to one request; its faces turn it into a status
    │   ├── NotAuthenticated    it needs a token of this server's, and none came
    │   ├── ModelNotFound       no model of that name and version is served
    │   ├── ModelMismatch       the client speaks of another model or binding, or the model's file is broken
    │   ├── ModelUnavailable    the model is still being opened, or the server is shutting down
    │   ├── ServerBusy          the queue is full
    │   │   └── TooManyRequests this caller asks for more than one may
    │   ├── BodyRefused         a request's body is sent in a form that is not read
    │   ├── BodyTooSlow         a request's body did not come in time
    │   └── RequestExpired      nobody waits for the answer any more
    └── ServerError             the server did not give an answer
        ├── ServerUnavailable   it could not be reached, or not in time
        └── ServerRefused       it answered, and said no
            └── ServerNotReady  it is there, and still opens the model, or is shutting down

A message says what was found, what was expected and what to do about it.
"""

from typing import Literal


class PartwayError(Exception):
    """The root: catch it to catch everything that Partway raises on purpose."""


class InputError(PartwayError, ValueError):
    """What the user gave cannot be used; the message says what to change."""


class ModelError(InputError):
    """A file is not an ONNX model that can be loaded."""


class BindingError(InputError):
    """Shapes or values do not bind the model's inputs."""


class CutError(InputError):
    """A set of tensors is not a cut of the graph."""


class DocumentError(InputError):
    """A document on disk is damaged, of another kind, or of a version this release cannot read."""


class LinkError(InputError):
    """A link description or a bandwidth trace cannot be understood."""


class ScenarioError(InputError):
    """A scenario of the simulator cannot be understood; the message has the file's line."""


class NothingFits(InputError):
    """No cut keeps to the constraints; the message names the one that comes nearest."""


class EngineError(PartwayError):
    """The runtime failed to build or run a piece."""


class RunStopped(EngineError):
    """A run was stopped because nobody waits for its outputs any more."""


class WireError(PartwayError):
    """Bytes on the wire are not a valid message, or their checksum does not match."""


class MessageTooLong(WireError):
    """A message has more bytes than are accepted."""


class CodecError(WireError):
    """What arrived encodes no tensor of the model's, or a tensor holds what its codec cannot carry."""


class RequestDeclined(PartwayError):
    """Our own server does not answer one request; it goes on serving others."""


class NotAuthenticated(RequestDeclined):
    """Whoever asks has not shown a token of this server's."""


class ModelNotFound(RequestDeclined):
    """No model of that name and version is served."""


class ModelMismatch(RequestDeclined):
    """The client's model or binding is not the served one's, or the served file cannot be used."""


class ModelUnavailable(RequestDeclined):
    """The model is still being opened, or the server is shutting down: later or elsewhere it may work.

    Attributes:
        state: `loading` where the same server will answer soon, `draining` where it will not.
    """

    def __init__(self, message: str, *, state: Literal["loading", "draining"]) -> None:
        super().__init__(message)
        self.state = state


class ServerBusy(RequestDeclined):
    """The queue is full."""


class TooManyRequests(ServerBusy):
    """The caller has more in flight, or asks for more that is new, than one caller may; others are served."""


class BodyRefused(RequestDeclined):
    """A request's body is sent in a form that is not read, compressed for instance."""


class BodyTooSlow(RequestDeclined):
    """A request's body did not come in time."""


class RequestExpired(RequestDeclined):
    """The deadline passed before the request's turn came."""


class ServerError(PartwayError):
    """The server did not give an answer."""


class ServerUnavailable(ServerError):
    """The server could not be reached, or did not answer in time."""


class ServerRefused(ServerError):
    """The server answered and refused.

    Attributes:
        status: the OIP face's status word, for instance `NOT_FOUND` or `RESOURCE_EXHAUSTED`.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"the server refused ({status}): {message}")
        self.status = status


class ServerNotReady(ServerRefused):
    """The server is there and cannot answer now; asked again soon, it may.

    Attributes:
        state: `loading` or `draining`.
    """

    def __init__(self, status: str, message: str, state: str) -> None:
        super().__init__(status, message)
        self.state = state
