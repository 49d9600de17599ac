"""Every error that Partway raises, in one tree.

    PartwayError
    ├── InputError              what the user gave cannot be used (exit status 2)
    │   ├── ModelError          a file is no usable ONNX model
    │   ├── BindingError        shapes or values do not bind the model's inputs
    │   ├── CutError            a set of tensors is no cut of the graph
    │   ├── DocumentError       a document cannot be read by this version
    │   └── LinkError           a link description or trace cannot be understood
    ├── EngineError             the runtime failed on a graph it accepted before
    ├── WireError               bytes are not a valid message, or arrived damaged
    └── ServerError             the server did not give an answer
        ├── ServerUnavailable   it could not be reached, or not in time
        └── ServerRefused       it answered, and said no

A message says what was found, what was expected and what to do about it.
"""


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


class EngineError(PartwayError):
    """The runtime failed to build or run a piece."""


class WireError(PartwayError):
    """Bytes on the wire are not a valid message, or their checksum does not match."""


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
