"""Whether a server may listen where it is told to: not within reach of others without TLS and a way to know them.

Input: an address and what protects it. Output: nothing, or one sentence on what is missing. Called by the server, so
that no program opens by accident what the command line would refuse.
"""

from partway.errors import InputError
from partway.serving.tls import Tls
from partway.wire import is_loopback


def check_exposure(host: str, *, tls: Tls | None, tokens: bool, insecure: bool) -> None:
    """Refuse to be reached by others without protection.

    Args:
        host: the address to listen on.
        tls: the server's certificate, and whether it asks clients for theirs.
        tokens: whether callers need a token.
        insecure: whether the user has said that it may be.

    Raises:
        InputError: something is missing; the message says what.
    """
    if insecure or is_loopback(host):
        return
    missing = []
    if tls is None:
        missing.append("has no TLS (--tls-certificate and --tls-key)")
    if not tokens and (tls is None or tls.client_ca is None):
        missing.append("asks nobody who they are (--token-file, or --client-ca)")
    if missing:
        raise InputError(
            f"--host {host} lets others reach this server, which {' and '.join(missing)}; give that, stay on "
            "127.0.0.1 behind ssh or a proxy, or say --insecure on a network that you trust"
        )
