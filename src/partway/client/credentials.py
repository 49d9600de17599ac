"""What a client shows to a server, and whose word it takes for the server's name.

Input: files, as people name them. Output: PEM and a header, once a connection is made with them. No `repr`, log or
error shows a secret. Called by the transport; made by programs and the command line.
"""

from dataclasses import dataclass, field
from pathlib import Path

import grpc

from partway.errors import InputError
from partway.wire import check_token, read_authorities, read_key_pair, read_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files that make a connection private and say who calls; each is needed only where the server asks for it.

    Attributes:
        ca: certificates of those who vouch for the server, in PEM; None for the public authorities that gRPC brings.
        certificate: of this client, in PEM, for servers that ask for one (mutual TLS).
        key: the certificate's key, in PEM.
        token_file: holds the token, alone or behind its name; comments begin with #.
        token: the token itself, where a program has it from elsewhere.
        server_name: the name in the server's certificate where it is not the address's, behind a tunnel for instance.
        insecure: whether the token may travel in the clear to another machine.

    Raises:
        InputError: a certificate without key, a key without certificate, or two tokens.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    server_name: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InputError("a client's certificate and its key go together; give both, or neither")
        if self.token is not None and self.token_file is not None:
            raise InputError("a token and a file of it were given; give one of them")

    @property
    def needs_tls(self) -> bool:
        """Whether there is anything that only means something under TLS."""
        return any(given is not None for given in (self.ca, self.certificate, self.server_name))

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a channel of gRPC's, TLS 1.2 or 1.3.

        Raises:
            InputError: a file cannot be used.
        """
        pair = None
        if self.certificate is not None and self.key is not None:
            pair = read_key_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(
            root_certificates=None if self.ca is None else read_authorities(self.ca),
            private_key=None if pair is None else pair.key,
            certificate_chain=None if pair is None else pair.certificate,
        )

    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every request carries.

        Raises:
            InputError: the token, or its file, cannot be used.
        """
        token = self._read_token()
        return () if token is None else (("authorization", f"Bearer {token}"),)

    def _read_token(self) -> str | None:
        if self.token_file is None:
            return None if self.token is None else check_token(self.token, "the credentials")
        lines = read_lines(self.token_file)
        if len(lines) != 1:
            raise InputError(f"{self.token_file} has {len(lines)} lines with a token; a client shows one: leave one")
        where, words = lines[0]
        return check_token(words[-1], where)
