"""A plain HTTP client for the REST face: the standard library's, one connection, nothing of ours."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.serving.support import PATIENCE_S
from tests.wire.rest_bodies import Body, read_rest_body

from partway.serving import Server
from partway.wire import JSON_LENGTH_HEADER, InferResponse


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        found: str = self.document["error"]
        return found

    @property
    def response(self) -> InferResponse:
        assert self.status == 200, self.body
        return read_rest_body(self.body, self.headers.get(JSON_LENGTH_HEADER))


class RestClient:
    """Talks HTTP to a server."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send("GET", path, b"", headers)

    def infer(self, path: str, body: Body, headers: Mapping[str, str] | None = None) -> Reply:
        """Post to `path`, the model's name and perhaps `/versions/N`."""
        content, json_length = body
        about = {} if json_length is None else {JSON_LENGTH_HEADER: json_length}
        return self.send("POST", f"/v2/models/{path}/infer", content, {**about, **(headers or {})})

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        self._connection.request(method, path, body=body or None, headers=dict(headers or {}))
        answer = self._connection.getresponse()
        return Reply(status=answer.status, headers=answer.headers, body=answer.read())

    def close(self) -> None:
        self._connection.close()


@contextmanager
def rest_client(server: Server) -> Iterator[RestClient]:
    assert server.rest_address is not None
    client = RestClient(server.rest_address)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def raw_connection(server: Server) -> Iterator[socket.socket]:
    assert server.rest_address is not None
    host, _, port = server.rest_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
