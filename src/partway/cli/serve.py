"""`partway serve`: the server, in the foreground, until SIGTERM or SIGINT.

Input: a folder of ONNX files and where to listen. Output: one line on stdout once it listens; logs on stderr.
"""

import argparse
import asyncio
import gc
import logging
from pathlib import Path

from partway.cli.logs import FORMATTERS
from partway.cli.options import add_threads, as_argument, count
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.serving import DEFAULT_MESSAGE_BYTES, Server, ServerOptions, Tls
from partway.units import parse_duration, parse_size

_EXAMPLES = """examples:
  partway serve models/
  partway serve models/ --port 0                     any free port
  partway serve models/ --rest-port 8000             REST and /metrics, too
  partway serve models/ --host 0.0.0.0 --insecure    on a network that you trust
  partway serve models/ --host 0.0.0.0 --tls-certificate server.pem \\
      --tls-key server.key --token-file tokens       on any other

models/ holds name.onnx files, or name/1/model.onnx as Triton lays them out.
Once the server listens it prints one line on stdout,
    listening address=127.0.0.1:8001 models=3
SIGTERM and Ctrl-C let it answer what it has accepted, then stop.
"""
_LARGEST_PORT = 65_535
_LARGEST_MESSAGE_BYTES = 2**31 - 1  # of gRPC and protobuf
_LEAST_MEMORY_BYTES = 2**20
_LONGEST_QUEUE = 1024  # each answer says what the next request would wait behind all of them
_LARGEST_BATCH = 64
_LONGEST_BATCH_WAIT_S = 1.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "serve",
        allow_abbrev=False,  # or --token would be read as --token-file, and a secret be taken for a file
        help="the server",
        description="Serve a folder of ONNX models over gRPC and REST (Open Inference Protocol),\n"
        "whole or from any cut on.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("repository", metavar="REPOSITORY", help="the folder of models")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    network.add_argument(
        "--port", type=as_argument(_parse_port), default=8001, help="port to listen on, 0 for any (default 8001)"
    )
    network.add_argument(
        "--rest-port",
        type=as_argument(_parse_port),
        metavar="PORT",
        help="answer REST too, and Prometheus at /metrics: on this port, 0 for any (off by default)",
    )
    parser.add_argument(
        "--grace",
        type=as_argument(parse_duration),
        default=10.0,
        metavar="TIME",
        help="how long to finish what was accepted once told to stop (default 10s)",
    )
    add_threads(parser)
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="what `partway profile` says of this machine: costs are then known before anything ran",
    )
    parser.add_argument(
        "--log-format",
        choices=sorted(FORMATTERS),
        default="text",
        help="how logs look on stderr; json is one object a line (default text; --verbose logs every request)",
    )
    _add_limits(parser)
    _add_batching(parser)
    _add_security(parser)
    parser.set_defaults(run=run, log_level=logging.WARNING)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; 0.

    Raises:
        InputError: there is no such folder, the address cannot be listened on or needs protection, or the profile, a
            certificate, a key or a token cannot be used.
    """
    server = Server(
        arguments.repository,
        host=arguments.host,
        port=arguments.port,
        options=ServerOptions(
            runtime=OrtRuntime(threads=arguments.threads),
            queue_capacity=arguments.queue,
            requests_per_client=arguments.requests_per_client,
            pieces_per_minute=arguments.pieces_per_minute,
            memory_bytes=arguments.memory,
            batch_size=arguments.batch_size,
            batch_wait_s=arguments.batch_wait,
            message_bytes=arguments.max_message,
            profile=arguments.profile,
            tls=_tls(arguments),
            tokens=arguments.token_file,
            connections=arguments.connections,
            insecure=arguments.insecure,
            rest_port=arguments.rest_port,
        ),
    )

    def announce(address: str) -> None:
        rest = "" if server.rest_address is None else f" rest={server.rest_address}"
        print(f"listening address={address} models={len(server.model_names)}{rest}", flush=True)

    spare_modules()
    asyncio.run(server.serve_forever(announce, grace_s=arguments.grace))
    return 0


def spare_modules() -> None:
    """Keep Python's collector of cycles off what is there before the first request, and stays.

    A full collection looks at a hundred thousand objects of modules, and stops all threads for up to a quarter of a
    second. Requests' own cycles are found as soon as ever: they may hold tensors.
    """
    gc.collect()
    gc.freeze()


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--max-message",
        type=as_argument(_parse_message_size),
        default=DEFAULT_MESSAGE_BYTES,
        metavar="SIZE",
        help="longest message accepted (default 64MiB)",
    )
    group.add_argument(
        "--queue",
        type=as_argument(_parse_queue),
        default=256,
        metavar="N",
        help=f"requests that may wait, at most {_LONGEST_QUEUE} (default 256)",
    )
    group.add_argument(
        "--requests-per-client",
        type=count,
        metavar="N",
        help="requests of one token, certificate or address that are not answered yet (default half of --queue, at "
        "least 32)",
    )
    group.add_argument(
        "--pieces-per-minute",
        type=count,
        default=60,
        metavar="N",
        help="cuts and shapes that are built anew for one client (default 60)",
    )
    group.add_argument(
        "--memory",
        type=as_argument(_parse_memory),
        metavar="SIZE",
        help="for pieces that are kept ready, weights apart, which are files (default half of what is free)",
    )


def _add_batching(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("batching")
    group.add_argument(
        "--batch-size",
        type=as_argument(_parse_batch_size),
        default=8,
        metavar="N",
        help="requests of one tail that run as one, where that is right and faster; 1 for none (default 8)",
    )
    group.add_argument(
        "--batch-wait",
        type=as_argument(_parse_batch_wait),
        default=0.002,
        metavar="TIME",
        help="longest wait for a client that is about to ask again (default 2ms)",
    )


def _add_security(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("security")
    group.add_argument("--tls-certificate", type=Path, metavar="FILE", help="answer with TLS: the certificate, in PEM")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM")
    group.add_argument(
        "--client-ca", type=Path, metavar="FILE", help="clients need a certificate from these authorities (mutual TLS)"
    )
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="clients need a token of this file: lines of a name and a token; read again when it changes, or on SIGHUP",
    )
    group.add_argument(
        "--connections", type=count, default=512, metavar="N", help="connections open at the same time (default 512)"
    )
    group.add_argument(
        "--insecure", action="store_true", help="let others reach a server without TLS, or without tokens or client CA"
    )


def _tls(arguments: argparse.Namespace) -> Tls | None:
    certificate, key, client_ca = arguments.tls_certificate, arguments.tls_key, arguments.client_ca
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise InputError("TLS takes both --tls-certificate and --tls-key; give the one that is missing")
    return Tls(certificate=certificate, key=key, client_ca=client_ca)


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > _LARGEST_PORT:
        raise InputError(f"{text!r} is no port; write a number from 0 to {_LARGEST_PORT}")
    return int(text)


def _parse_message_size(text: str) -> int:
    size_bytes = parse_size(text)
    if not 1 <= size_bytes <= _LARGEST_MESSAGE_BYTES:
        raise InputError(f"{text!r} is no message size; write 1B to 2GB, for instance 64MiB")
    return int(size_bytes)


def _parse_memory(text: str) -> int:
    size_bytes = parse_size(text)
    if size_bytes < _LEAST_MEMORY_BYTES:
        raise InputError(f"{text!r} is too little memory for pieces; write 1MiB or more, for instance 4GiB")
    return int(size_bytes)


def _parse_queue(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _LONGEST_QUEUE:
        raise InputError(f"{text!r} is no length of a queue; write a number from 1 to {_LONGEST_QUEUE}")
    return int(text)


def _parse_batch_size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _LARGEST_BATCH:
        raise InputError(f"{text!r} is no batch size; write a number from 1 (no batches) to {_LARGEST_BATCH}")
    return int(text)


def _parse_batch_wait(text: str) -> float:
    wait_s = parse_duration(text)
    if wait_s > _LONGEST_BATCH_WAIT_S:
        raise InputError(f"{text!r} is longer than any batch is worth; write at most 1s, for instance 2ms")
    return wait_s
