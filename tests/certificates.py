"""Certificates and tokens for tests, made anew: an authority, who it vouches for, and files to name in commands."""

import datetime as dt
from pathlib import Path

import trustme

from partway.client import Credentials
from partway.serving import Tls

TOKEN = "correct.horse.battery.staple"
OTHER_TOKEN = "an-entirely-different-token"


def write_secret(path: Path, content: bytes | str) -> Path:
    """A file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


class Authority:
    """Vouches for a server on loopback and for clients; its files lie in one folder.

    Attributes:
        folder: where they lie.
        ca: the file of its own certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.folder = folder
        self.ca = write_secret(folder / "ca.pem", self._ca.cert_pem.bytes())

    def issue(
        self, *names: str, common_name: str | None = None, not_after: dt.datetime | None = None
    ) -> tuple[Path, Path]:
        """Files of a new certificate and its key."""
        leaf = self._ca.issue_cert(*names, common_name=common_name, not_after=not_after)
        stem = (common_name or names[0]).replace(":", "-") + ("" if not_after is None else "-expired")
        certificate = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return (
            write_secret(self.folder / f"{stem}.pem", certificate),
            write_secret(self.folder / f"{stem}.key", leaf.private_key_pem.bytes()),
        )

    def server(self, *, mutual: bool = False) -> Tls:
        """What a server on loopback answers with, asking clients for certificates of this authority or not."""
        certificate, key = self.issue("127.0.0.1", "localhost")
        return Tls(certificate=certificate, key=key, client_ca=self.ca if mutual else None)

    def client(self, name: str = "camera-1", *, token: str | None = None) -> Credentials:
        """What a client of that name shows."""
        certificate, key = self.issue("camera.invalid", common_name=name)
        return Credentials(ca=self.ca, certificate=certificate, key=key, token=token)


def token_file(path: Path, *lines: str) -> Path:
    """A server's file of tokens."""
    return write_secret(path, "".join(f"{line}\n" for line in lines or (f"camera-1 {TOKEN}",)))
