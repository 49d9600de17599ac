"""What a server may ask of us, on the command line: options, and the `Credentials` that they make.

Secrets are named by the files that hold them and never typed, since other users of a machine see what commands are
given. Called by the verbs that take `--server`.
"""

import argparse
from pathlib import Path

from partway.client import Credentials
from partway.errors import InputError


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """Add what a server may ask for, and what its certificate is judged by."""
    group = parser.add_argument_group("the server's security")
    group.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="who vouches for a grpcs:// server, in PEM (default: public authorities)",
    )
    group.add_argument("--certificate", type=Path, metavar="FILE", help="our own certificate, where the server asks")
    group.add_argument("--key", type=Path, metavar="FILE", help="our certificate's key")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="holds our token, where the server asks for one")
    group.add_argument(
        "--server-name", metavar="NAME", help="the name in the server's certificate, where its address is another"
    )
    group.add_argument("--insecure", action="store_true", help="send the token to another machine even without TLS")


def read_credentials(arguments: argparse.Namespace) -> Credentials:
    """What `add_credentials` was told.

    Raises:
        InputError: a certificate without key, a key without certificate, or anything without a server.
    """
    credentials = Credentials(
        ca=arguments.ca,
        certificate=arguments.certificate,
        key=arguments.key,
        token_file=arguments.token_file,
        server_name=arguments.server_name,
        insecure=arguments.insecure,
    )
    if arguments.server is None and credentials != Credentials():
        raise InputError("certificates and tokens are for a server; give --server too, or leave them out")
    return credentials
