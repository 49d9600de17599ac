"""The server: a folder of models, their pieces, a queue, and two faces of the Open Inference Protocol.

    bytes -> grpc_face, rest_face -> handlers -> meaning, models -> executor -> bytes
                                                      |                |
                                        background: learning, costs <--+

It computes whatever a request leaves to compute, from whichever tensors it was sent.
"""

from partway.serving.server import DEFAULT_MESSAGE_BYTES, Server, ServerOptions, run_server
from partway.serving.tls import Tls

__all__ = ["DEFAULT_MESSAGE_BYTES", "Server", "ServerOptions", "Tls", "run_server"]
