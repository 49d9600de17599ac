"""The messages of the Open Inference Protocol, described by hand in a private descriptor pool.

No generated modules: those register `inference.*` in the process-wide pool, where a second copy (that of
`tritonclient`, for one) is a duplicate-symbol error. Built on first use, not at import. `messages` and
`metadata` take their protobuf classes here; the client and the server take the method names.

Source: the KServe V2 inference protocol's `grpc_predict_v2.proto` and Triton's `grpc_service.proto`, whose
field numbers agree; gRPC's `health.proto`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from partway.errors import WireError

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"


class Method(StrEnum):
    """The service's methods: each is its short name, `path` the full one that gRPC calls."""

    SERVER_LIVE = "ServerLive"
    SERVER_READY = "ServerReady"
    MODEL_READY = "ModelReady"
    SERVER_METADATA = "ServerMetadata"
    MODEL_METADATA = "ModelMetadata"
    MODEL_INFER = "ModelInfer"

    @property
    def path(self) -> str:
        """For instance `/inference.GRPCInferenceService/ModelInfer`."""
        return f"/{SERVICE}/{self.value}"


def _field(name: str, number: int, kind: str, *, repeated: bool = False) -> FieldDescriptorProto:
    """A field; `kind` is a scalar's protobuf name, or a message's path inside the package."""
    field = FieldDescriptorProto(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = field.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _message(name: str, *fields: FieldDescriptorProto, nested: tuple[DescriptorProto, ...] = ()) -> DescriptorProto:
    return DescriptorProto(name=name, field=fields, nested_type=nested)


def _with_parameters(
    path: str, number: int, *fields: FieldDescriptorProto, nested: tuple[DescriptorProto, ...] = ()
) -> DescriptorProto:
    """A message at `path` that also has `map<string, InferParameter> parameters = number`."""
    entry = _message("ParametersEntry", _field("key", 1, "string"), _field("value", 2, "InferParameter"))
    entry.options.map_entry = True
    parameters = _field("parameters", number, f"{path}.ParametersEntry", repeated=True)
    return _message(path.rpartition(".")[2], *fields, parameters, nested=(*nested, entry))


def _parameter() -> DescriptorProto:
    kinds = ("bool", "int64", "string", "double", "uint64")
    fields = [_field(f"{kind}_param", number, kind) for number, kind in enumerate(kinds, start=1)]
    for field in fields:
        field.oneof_index = 0
    message = _message("InferParameter", *fields)
    message.oneof_decl.add(name="parameter_choice")
    return message


def _contents() -> DescriptorProto:
    kinds = (
        ("bool", "bool"), ("int", "int32"), ("int64", "int64"), ("uint", "uint32"),
        ("uint64", "uint64"), ("fp32", "float"), ("fp64", "double"), ("bytes", "bytes"),
    )  # fmt: skip
    return _message(
        "InferTensorContents",
        *(
            _field(f"{name}_contents", number, kind, repeated=True)
            for number, (name, kind) in enumerate(kinds, start=1)
        ),
    )


def _tensor(path: str) -> DescriptorProto:
    return _with_parameters(
        path,
        4,
        _field("name", 1, "string"),
        _field("datatype", 2, "string"),
        _field("shape", 3, "int64", repeated=True),
        _field("contents", 5, "InferTensorContents"),
    )


def _model_metadata() -> DescriptorProto:
    tensor = "ModelMetadataResponse.TensorMetadata"
    return _message(
        "ModelMetadataResponse",
        _field("name", 1, "string"),
        _field("versions", 2, "string", repeated=True),
        _field("platform", 3, "string"),
        _field("inputs", 4, tensor, repeated=True),
        _field("outputs", 5, tensor, repeated=True),
        nested=(
            _message(
                "TensorMetadata",
                _field("name", 1, "string"),
                _field("datatype", 2, "string"),
                _field("shape", 3, "int64", repeated=True),
            ),
        ),
    )


def _infer_header() -> tuple[FieldDescriptorProto, ...]:
    return (
        _field("model_name", 1, "string"),
        _field("model_version", 2, "string"),
        _field("id", 3, "string"),
    )


def _infer_request() -> DescriptorProto:
    tensor, output = "ModelInferRequest.InferInputTensor", "ModelInferRequest.InferRequestedOutputTensor"
    return _with_parameters(
        "ModelInferRequest",
        4,
        *_infer_header(),
        _field("inputs", 5, tensor, repeated=True),
        _field("outputs", 6, output, repeated=True),
        _field("raw_input_contents", 7, "bytes", repeated=True),
        nested=(_tensor(tensor), _with_parameters(output, 2, _field("name", 1, "string"))),
    )


def _infer_response() -> DescriptorProto:
    tensor = "ModelInferResponse.InferOutputTensor"
    return _with_parameters(
        "ModelInferResponse",
        4,
        *_infer_header(),
        _field("outputs", 5, tensor, repeated=True),
        _field("raw_output_contents", 6, "bytes", repeated=True),
        nested=(_tensor(tensor),),
    )


def _file() -> FileDescriptorProto:
    named = (_field("name", 1, "string"), _field("version", 2, "string"))
    return FileDescriptorProto(
        name="partway/open_inference.proto",
        package=PACKAGE,
        syntax="proto3",
        message_type=(
            _message("ServerLiveRequest"),
            _message("ServerLiveResponse", _field("live", 1, "bool")),
            _message("ServerReadyRequest"),
            _message("ServerReadyResponse", _field("ready", 1, "bool")),
            _message("ModelReadyRequest", *named),
            _message("ModelReadyResponse", _field("ready", 1, "bool")),
            _message("ServerMetadataRequest"),
            _message("ServerMetadataResponse", *named, _field("extensions", 3, "string", repeated=True)),
            _message("ModelMetadataRequest", *named),
            _model_metadata(),
            _parameter(),
            _contents(),
            _infer_request(),
            _infer_response(),
        ),
    )


def _health_file() -> FileDescriptorProto:
    """GRPC's health messages. There they are of another package, and the status is an enum: no byte shows either."""
    return FileDescriptorProto(
        name="partway/health.proto",
        package=PACKAGE,
        syntax="proto3",
        message_type=(
            _message("HealthCheckRequest", _field("service", 1, "string")),
            _message("HealthCheckResponse", _field("status", 1, "int32")),
        ),
    )


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in (_file(), _health_file()):
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message_class(name: str) -> type[Message]:
    """The protobuf class of a message, by its name in the package, for instance `ModelInferRequest`."""
    found: type[Message] = GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return found


@contextmanager
def building(name: str) -> Iterator[None]:
    """Translates what protobuf refuses while a message is filled: text or numbers that it cannot hold.

    Raises:
        WireError: for protobuf's ValueError, lone surrogates among them.
    """
    try:
        yield
    except ValueError as error:
        raise WireError(f"a value does not fit into {name} ({error}); send valid text and 64-bit numbers") from error


def serialise(message: Message) -> bytes:
    """The message as bytes, the same bytes for the same content."""
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def parse(name: str, data: bytes) -> Message:
    """The message that `data` holds, read by protobuf.

    Args:
        name: the message's name in the package.
        data: its bytes.

    Raises:
        WireError: not such a message, or text in it is not UTF-8.
    """
    try:
        return message_class(name).FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"the bytes are no valid {name}: {error}; expected protobuf with UTF-8 text") from error
