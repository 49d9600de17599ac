"""The server's certificate, and whose certificates it asks clients for.

Input: PEM files. Output: what gRPC's port and the REST face's socket take. Read when the server is made; a new
certificate takes a new server. Called by the server.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from partway.wire import read_authorities, read_key_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Where the files lie.

    Attributes:
        certificate: the server's, with those that vouch for it.
        key: of the certificate.
        client_ca: who vouches for clients: each then has to show a certificate (mutual TLS); None to ask for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def check(self) -> None:
        """Read every file once.

        Raises:
            InputError: one cannot be used.
        """
        read_key_pair(self.certificate, self.key)
        if self.client_ca is not None:
            read_authorities(self.client_ca)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For a gRPC port; gRPC takes TLS 1.2 and 1.3.

        Raises:
            InputError: a file cannot be used.
        """
        pair = read_key_pair(self.certificate, self.key)
        authorities = None if self.client_ca is None else read_authorities(self.client_ca)
        return grpc.ssl_server_credentials(
            [(pair.key, pair.certificate)],
            root_certificates=authorities,
            require_client_auth=authorities is not None,
        )

    def context(self) -> ssl.SSLContext:
        """For a socket of Python's.

        Raises:
            InputError: a file cannot be used.
        """
        self.check()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client_ca)
        return context
