"""Where the server is and how it is reached: an address as people write it, and gRPC channels to it.

Input: `grpc://host:port` or `grpcs://host:port`, and credentials. Output: channels, the headers of every request, and
what gRPC's words about a connection that failed mean. Called by the transport.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import grpc

from partway.client.credentials import Credentials
from partway.errors import InputError
from partway.wire import DEFAULT_LIMITS, is_loopback

PLAIN, SECURE = "grpc", "grpcs"
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", DEFAULT_LIMITS.message_bytes),
    ("grpc.max_send_message_length", DEFAULT_LIMITS.message_bytes),
    # How long an attempt to connect may take, as long as the longest question. As a pause between attempts it never
    # counts: after one that failed there is a new channel, which begins at once (see the transport).
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or a new channel would share the dead connection
)
_TROUBLES: tuple[tuple[str, str, str], ...] = (
    (SECURE, "certificate has expired", "the server's certificate has expired"),
    (
        SECURE,
        "CERTIFICATE_VERIFY_FAILED",
        "nobody trusted here vouches for the server; give its authority as ca",
    ),
    (SECURE, "Hostname Verification Check failed", "the server's certificate has another name; give it as server_name"),
    (SECURE, "WRONG_VERSION_NUMBER", "what listens there does not speak TLS; write grpc:// if that is meant"),
)
_HUNG_UP = ("Socket closed", "Connection reset by peer")
_WANTED = {
    PLAIN: "TLS, then write grpcs://, or no more connections",
    SECURE: "another certificate of ours, or no more connections",
}
_CONNECTING = "failed to connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a server is reached.

    Attributes:
        scheme: `grpc`, or `grpcs` for TLS.
        host: a name or an address.
        port: of TCP.
        credentials: shown there.
    """

    scheme: str
    host: str
    port: int
    credentials: Credentials = field(default_factory=Credentials)

    @property
    def address(self) -> str:
        """`host:port`, as gRPC writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """As people write it."""
        return f"{self.scheme}://{self.address}"

    def through(self, host: str, port: int) -> "Route":
        """The way there through a proxy that changes nothing: the server's certificate keeps its name."""
        named = self.credentials.server_name or (self.host if self.scheme == SECURE else None)
        return replace(self, host=host, port=port, credentials=replace(self.credentials, server_name=named))


class Door:
    """Opens channels to one server.

    Args:
        route: where it is; the files of its credentials are read now.

    Attributes:
        address: `host:port`.
        headers: what every request carries.

    Raises:
        InputError: a file cannot be used, certificates are given and no TLS, or a token would travel in the clear.
    """

    def __init__(self, route: Route) -> None:
        credentials, secure = route.credentials, route.scheme == SECURE
        self.address = route.address
        self.headers = credentials.headers()
        self._scheme = route.scheme
        self._server_name = credentials.server_name
        self._credentials = credentials.channel_credentials() if secure else None
        if not secure and credentials.needs_tls:
            raise InputError(f"certificates mean nothing to {PLAIN}://{self.address}; write {SECURE}://{self.address}")
        if not secure and self.headers and not credentials.insecure and not is_loopback(route.host):
            raise InputError(
                f"the token would travel in the clear to {self.address}; write {SECURE}://{self.address}, or say "
                "insecure on a network that you trust"
            )

    def open(self) -> grpc.Channel:
        """A channel; it connects when first used."""
        if self._credentials is None:
            return grpc.insecure_channel(self.address, options=_OPTIONS)
        named = () if self._server_name is None else (("grpc.ssl_target_name_override", self._server_name),)
        return grpc.secure_channel(self.address, self._credentials, options=(*_OPTIONS, *named))

    def explain(self, details: str, *, heard_before: bool) -> str:
        """What gRPC said of a connection, with what it means where that is known.

        Args:
            details: gRPC's words.
            heard_before: whether anybody ever answered here; then it is not how we call that closes connections.
        """
        if not details.startswith(_CONNECTING):
            return details
        meanings = (meaning for scheme, words, meaning in _TROUBLES if scheme == self._scheme and words in details)
        meaning = next(meanings, None)
        if meaning is None and any(words in details for words in _HUNG_UP):
            why = "where a server answered before" if heard_before else f"perhaps it wants {_WANTED[self._scheme]}"
            meaning = f"it closed the connection at once, {why}"
        return details if meaning is None else f"{meaning} ({details})"


def read_route(url: str, credentials: Credentials | None = None) -> Route:
    """Where the server at `url` is.

    Args:
        url: `grpc://host:port`, or `grpcs://host:port` for TLS.
        credentials: shown there.

    Raises:
        InputError: no such URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is no server address: {error}; write grpc://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise InputError("the server's address holds a user or a password; give a token by a file instead")
    if parts.scheme not in (PLAIN, SECURE) or not host or port is None or parts.path not in ("", "/"):
        raise InputError(
            f"{url!r} is no server address; write grpc://host:port, for instance grpc://127.0.0.1:8001, or grpcs:// "
            "for TLS"
        )
    return Route(scheme=parts.scheme, host=host, port=port, credentials=credentials or Credentials())
