"""The small messages: is it live, is it ready, what is it.

In: records and flags, or the bytes that gRPC received. Out: the other. The client encodes queries and
decodes answers, the server the other way round; each function fits gRPC's serialiser arguments.
"""

from google.protobuf.message import Message

from partway.wire.descriptors import building, message_class, parse, serialise
from partway.wire.records import ModelMetadata, ModelQuery, ServerMetadata, ServerQuery, TensorMetadata

# The messages that carry a `ServerQuery`, a `ModelQuery` or a readiness flag differ in name only, so one
# stands for all of its shape.
_SERVER_QUERY, _MODEL_QUERY = "ServerMetadataRequest", "ModelMetadataRequest"
_LIVE, _READY = "ServerLiveResponse", "ModelReadyResponse"
_SERVER, _MODEL = "ServerMetadataResponse", "ModelMetadataResponse"


def _build(message: str, /, **fields: object) -> bytes:
    with building(message):
        return serialise(message_class(message)(**fields))


def encode_server_query(query: ServerQuery) -> bytes:  # noqa: ARG001  # gRPC hands every serialiser its record
    """The bytes of ServerLive's, ServerReady's or ServerMetadata's request."""
    return _build(_SERVER_QUERY)


def decode_server_query(data: bytes) -> ServerQuery:
    """The request of ServerLive, ServerReady or ServerMetadata.

    Raises:
        WireError: not such a message.
    """
    parse(_SERVER_QUERY, data)
    return ServerQuery()


def encode_model_query(query: ModelQuery) -> bytes:
    """The bytes of ModelReady's or ModelMetadata's request.

    Raises:
        WireError: text that is not valid Unicode.
    """
    return _build(_MODEL_QUERY, name=query.name, version=query.version)


def decode_model_query(data: bytes) -> ModelQuery:
    """The request of ModelReady or ModelMetadata.

    Raises:
        WireError: not such a message.
    """
    message = parse(_MODEL_QUERY, data)
    return ModelQuery(name=message.name, version=message.version)


def encode_live(live: bool) -> bytes:
    """The bytes of ServerLive's answer."""
    return _build(_LIVE, live=live)


def decode_live(data: bytes) -> bool:
    """ServerLive's answer.

    Raises:
        WireError: not such a message.
    """
    return bool(parse(_LIVE, data).live)


def encode_ready(ready: bool) -> bytes:
    """The bytes of ServerReady's or ModelReady's answer."""
    return _build(_READY, ready=ready)


def decode_ready(data: bytes) -> bool:
    """The answer of ServerReady or ModelReady.

    Raises:
        WireError: not such a message.
    """
    return bool(parse(_READY, data).ready)


def encode_server_metadata(metadata: ServerMetadata) -> bytes:
    """The bytes of ServerMetadata's answer.

    Raises:
        WireError: text that is not valid Unicode.
    """
    return _build(_SERVER, name=metadata.name, version=metadata.version, extensions=metadata.extensions)


def decode_server_metadata(data: bytes) -> ServerMetadata:
    """ServerMetadata's answer.

    Raises:
        WireError: not such a message.
    """
    message = parse(_SERVER, data)
    return ServerMetadata(name=message.name, version=message.version, extensions=tuple(message.extensions))


def encode_model_metadata(metadata: ModelMetadata) -> bytes:
    """The bytes of ModelMetadata's answer.

    Raises:
        WireError: text that is not valid Unicode, or a length beyond 64 bits.
    """
    with building(_MODEL):
        message = message_class(_MODEL)(name=metadata.name, versions=metadata.versions, platform=metadata.platform)
        for target, tensors in ((message.inputs, metadata.inputs), (message.outputs, metadata.outputs)):
            for tensor in tensors:
                target.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        return serialise(message)


def decode_model_metadata(data: bytes) -> ModelMetadata:
    """ModelMetadata's answer; datatypes are passed on as they came, known or not.

    Raises:
        WireError: not such a message.
    """
    message = parse(_MODEL, data)
    return ModelMetadata(
        name=message.name,
        versions=tuple(message.versions),
        platform=message.platform,
        inputs=tuple(map(_read_tensor, message.inputs)),
        outputs=tuple(map(_read_tensor, message.outputs)),
    )


def _read_tensor(message: Message) -> TensorMetadata:
    return TensorMetadata(name=message.name, datatype=message.datatype, shape=tuple(message.shape))
