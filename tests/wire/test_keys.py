import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import Authority, write_secret

from partway.errors import InputError
from partway.wire import KeyPair, read_authorities, read_key_pair

_ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_certificate_and_its_key_are_read_and_the_key_is_not_shown(authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    pair = read_key_pair(certificate, key)
    assert pair == KeyPair(certificate=certificate.read_bytes(), key=key.read_bytes())
    assert "PRIVATE" not in repr(pair)
    assert read_authorities(authority.ca) == authority.ca.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda pair, folder: (folder / "none.pem", pair[1]), "cannot read .*none.pem: No such file"),
        (lambda pair, folder: (pair[0], folder / "none.key"), "cannot read .*none.key: No such file"),
        (lambda pair, folder: (folder, pair[1]), "cannot read .*: Is a directory"),
        (lambda pair, _: (pair[1], pair[1]), "holds no certificate in PEM"),
        (lambda pair, _: (pair[0], pair[0]), "holds no private key in PEM"),
        (lambda pair, folder: (pair[0], write_secret(folder / "locked.key", _ENCRYPTED)), "is encrypted"),
        (
            lambda pair, folder: (pair[0], write_secret(folder / "torn.key", pair[1].read_bytes()[:60] + b"\n-----")),
            "cannot be used as certificate and key",
        ),
    ],
    ids=[
        "no certificate",
        "no key",
        "a folder",
        "a key for a certificate",
        "a certificate for a key",
        "locked",
        "torn",
    ],
)
def test_files_that_cannot_be_used_are_one_sentence(
    authority: Authority, tmp_path: Path, spoil: Callable[[Files, Path], Files], sentence: str
) -> None:
    pair = authority.issue("localhost")
    with pytest.raises(InputError, match=sentence):
        read_key_pair(*spoil(pair, tmp_path))


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    certificate, _ = authority.issue("localhost")
    _, other = authority.issue("other.invalid")
    with pytest.raises(InputError, match="does not fit the certificate"):
        read_key_pair(certificate, other)


def test_a_key_that_others_may_read_is_refused(authority: Authority) -> None:
    certificate, key = authority.issue("open.invalid")
    key.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_key_pair(certificate, key)


def test_a_pipe_is_refused_and_not_waited_for(authority: Authority, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    certificate, key = authority.issue("localhost")
    for pair in ((certificate, pipe), (pipe, key)):
        with pytest.raises(InputError, match="pipe is no regular file"):
            read_key_pair(*pair)


def test_authorities_are_certificates(tmp_path: Path) -> None:
    torn = write_secret(tmp_path / "torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(InputError, match="cannot be used"):
        read_authorities(torn)
    with pytest.raises(InputError, match="holds no certificate in PEM"):
        read_authorities(write_secret(tmp_path / "text.pem", "trust me"))
