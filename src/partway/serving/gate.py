"""Who may pass: looked at before a request's body is read.

    headers -> token -> name ──┐
    TLS     -> certificate ────┴─> Caller, or NotAuthenticated

Input: what a face knows of a request before its body. Output: the `Caller`. Who sends no token and who sends a wrong
one get the same sentence, whatever they asked for. Liveness and readiness are open, since those who watch a server
have no token. Called by both faces.
"""

from collections.abc import Iterable, Mapping, Sequence

import grpc

from partway.errors import NotAuthenticated
from partway.serving.callers import Caller, stranger
from partway.serving.tokens import Tokens
from partway.wire import Method

OPEN_METHODS = frozenset({Method.SERVER_LIVE.path, Method.SERVER_READY.path, "/grpc.health.v1.Health/Check"})
OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready"})
CHALLENGE = ("www-authenticate", "Bearer")
"""Source: RFC 6750, section 3."""

_REFUSAL = "the request carries no token of this server's; send one as `Authorization: Bearer TOKEN`"

Headers = Iterable[tuple[str, str | bytes]]


class Gate:
    """Knows callers by their tokens, or by their certificates.

    Args:
        tokens: of those who may ask; None where everybody who reaches the server may.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def check(self, headers: Headers) -> str | None:
        """Whose token came; None where none is needed.

        Args:
            headers: of the request, names in lower case.

        Raises:
            NotAuthenticated: one is needed, and none of this server's came.
        """
        if self._tokens is None:
            return None
        name = self._tokens.name_of(_bearer(headers))
        if name is None:
            raise NotAuthenticated(_REFUSAL)
        return name

    def admit(self, headers: Headers, connection: str, certificate_name: str = "") -> Caller:
        """Who asks.

        Args:
            headers: of the request, names in lower case.
            connection: the connection's other end, as gRPC names it.
            certificate_name: of the certificate that the client showed and TLS verified; empty where it asked for none.

        Raises:
            NotAuthenticated: a token is needed, and none of this server's came.
        """
        name = self.check(headers) or certificate_name
        return Caller(name=name, connection=connection, authenticated=True) if name else stranger(connection)


def caller_of(gate: Gate, context: grpc.aio.ServicerContext) -> Caller:
    """Who asks over gRPC.

    Raises:
        NotAuthenticated: see `Gate.admit`.
    """
    names: Mapping[str, Sequence[bytes]] = context.auth_context()
    name = next(iter(names.get("x509_common_name", ())), b"")
    return gate.admit(context.invocation_metadata() or (), context.peer(), name.decode("utf-8", "replace"))


def certificate_name(peer: Mapping[str, object] | None) -> str:
    """The common name in a certificate, as `ssl` describes it; empty for none."""
    subject = (peer or {}).get("subject", ())
    pairs = (pair for part in subject for pair in part) if isinstance(subject, tuple) else ()
    return next((str(value) for key, value in pairs if key == "commonName"), "")


def _bearer(headers: Headers) -> str:
    given = [value for key, value in headers if key == "authorization"]
    if len(given) != 1 or not isinstance(given[0], str):
        return ""
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
