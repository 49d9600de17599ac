from pathlib import Path

import pytest

from partway.errors import InputError
from partway.serving import Tls
from partway.serving.exposure import check_exposure

PLAIN = Tls(certificate=Path("c"), key=Path("k"))
MUTUAL = Tls(certificate=Path("c"), key=Path("k"), client_ca=Path("ca"))
TLS_MISSING = "has no TLS (--tls-certificate and --tls-key)"
NAMES_MISSING = "asks nobody who they are (--token-file, or --client-ca)"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_no_protection(host: str) -> None:
    check_exposure(host, tls=None, tokens=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "fe80::1%eth0", "some.host", "", "127.0.0.1.nip.io"])
@pytest.mark.parametrize(
    ("tls", "tokens", "missing"),
    [
        (None, False, (TLS_MISSING, NAMES_MISSING)),
        (None, True, (TLS_MISSING,)),
        (PLAIN, False, (NAMES_MISSING,)),
        (PLAIN, True, ()),
        (MUTUAL, False, ()),
        (MUTUAL, True, ()),
    ],
)
def test_others_are_let_in_only_where_nothing_is_missing_or_the_user_says_so(
    host: str, tls: Tls | None, tokens: bool, missing: tuple[str, ...]
) -> None:
    check_exposure(host, tls=tls, tokens=tokens, insecure=True)
    if not missing:
        check_exposure(host, tls=tls, tokens=tokens, insecure=False)
        return
    with pytest.raises(InputError) as raised:
        check_exposure(host, tls=tls, tokens=tokens, insecure=False)
    sentence = str(raised.value)
    assert [part for part in (TLS_MISSING, NAMES_MISSING) if part in sentence] == list(missing)
    assert "--insecure" in sentence
