"""Certificates, keys and tokens as files: read, and refused with one sentence before anything is opened with them.

Input: paths that people give. Output: what gRPC and `ssl` take. Called by both ends, so that a file means the same to
either. No sentence and no `repr` shows what a secret file holds.
"""

import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from partway.errors import InputError

LEAST_TOKEN_CHARACTERS = 16
_READABLE_BY_OTHERS = stat.S_IRWXO
_MOST_BYTES = 2**20  # a thousand tokens or certificates; no device file is read for ever
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Source: RFC 6750, section 2.1, b64token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate, with those that vouch for it, and the key that fits it.

    Attributes:
        certificate: PEM, the own one first.
        key: PEM.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


def read_key_pair(certificate: Path, key: Path) -> KeyPair:
    """A certificate and its key.

    Args:
        certificate: a file of PEM certificates, the own one first.
        key: a PEM file that nobody but its owner and group may read.

    Raises:
        InputError: a file cannot be read, is not PEM, the key is encrypted or does not fit the certificate.
    """
    pair = KeyPair(certificate=_read_certificates(certificate), key=read_secret(key))
    if b"PRIVATE KEY-----" not in pair.key:
        raise InputError(f"{key} holds no private key in PEM; expected a block that begins with BEGIN PRIVATE KEY")
    if b"ENCRYPTED" in pair.key:
        raise InputError(f"the key in {key} is encrypted; give one without a passphrase, as `openssl pkey` writes it")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(f"the key {key} does not fit the certificate {certificate}; give its own") from error
        raise InputError(f"{certificate} and {key} cannot be used as certificate and key: {error.reason}") from error
    return pair


def read_authorities(path: Path) -> bytes:
    """The certificates of those whose word is taken, in PEM.

    Raises:
        InputError: the file cannot be read or holds no certificate.
    """
    content = _read_certificates(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise InputError(f"{path} holds a certificate that cannot be used: {error.reason}") from error
    return content


def read_secret(path: Path) -> bytes:
    """A file that nobody but its owner and group may read.

    Raises:
        InputError: it cannot be read, or everybody can.
    """
    return _read(path, secret=True)


def check_token(token: str, where: str) -> str:
    """A bearer token that can be sent, and not be guessed.

    Args:
        token: the text.
        where: it stands, for the sentence: the token itself is never shown.

    Raises:
        InputError: too short, or of characters that no header carries.
    """
    if len(token) < LEAST_TOKEN_CHARACTERS:
        raise InputError(
            f"the token in {where} has {len(token)} characters; take at least {LEAST_TOKEN_CHARACTERS} random ones, "
            "for instance of `openssl rand -hex 32`"
        )
    if not _TOKEN.fullmatch(token):
        raise InputError(f"the token in {where} has characters that no header carries; take letters, digits and -._~+/")
    return token


def read_lines(path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lines of a secret file, each with where it stands and its words; empty ones and comments left out.

    Raises:
        InputError: it cannot be read, everybody can read it, or it is no text.
    """
    try:
        text = read_secret(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file; write a line for each token") from error
    lines = enumerate((line.partition("#")[0].split() for line in text.splitlines()), start=1)
    return tuple((f"{path}:{number}", tuple(words)) for number, words in lines if words)


def _read_certificates(path: Path) -> bytes:
    content = _read(path)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise InputError(f"{path} holds no certificate in PEM; expected a block that begins with BEGIN CERTIFICATE")
    return content


def _read(path: Path, *, secret: bool = False) -> bytes:
    try:
        with open(path, "rb", opener=_at_once) as file:
            # What was opened is looked at, and not what may lie there by now.
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise InputError(f"{path} is no regular file; give one that holds certificates, a key or tokens")
            if secret and mode & _READABLE_BY_OTHERS:
                raise InputError(
                    f"{path} is open to every user of this machine (mode {stat.S_IMODE(mode):04o}); it holds a "
                    f"secret: chmod 600 {path}"
                )
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path} has more than {_MOST_BYTES} bytes; expected certificates, a key or tokens")
    return content


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to would be waited for
