"""The records of the wire: what an inference message says, free of protobuf and gRPC.

Made by the client and the server, and by the decoders of this room; turned into bytes by `messages` and
`metadata`. Nothing here knows how the bytes are laid out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Parameter = bool | int | float | str
"""What an OIP parameter may be. Integers fit 64 bits, signed or unsigned."""

MAX_RANK = 32
"""The most dimensions that every supported numpy can hold.

Source: numpy's NPY_MAXDIMS, 32 before numpy 2 and 64 since.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a message is accepted, checked before its parts are built.

    Attributes:
        message_bytes: length of the whole message. The default takes a batch of twenty of VGG-19's largest
            activations.
        typed_bytes: length of everything but the raw tensors; typed contents are the bulk of it. Parsing
            takes up to about ten times this in memory.
        tensors: how often one field may occur: tensors, requested outputs, parameters.
        rank: dimensions of one tensor, at most `MAX_RANK`.
    """

    message_bytes: int = 256 * 2**20
    typed_bytes: int = 32 * 2**20
    tensors: int = 1024
    rank: int = MAX_RANK

    def __post_init__(self) -> None:
        if not 0 <= self.rank <= MAX_RANK:
            raise ValueError(f"a rank limit of {self.rank} was given; 0 to {MAX_RANK} can be held")


DEFAULT_LIMITS = Limits()


# Arrays have no single truth value when compared, so the records that hold them compare by identity.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """One tensor of a message.

    Attributes:
        name: as in the graph.
        array: the elements. Decoded ones are read-only views of the received bytes, not always aligned.
            Strings are `object` arrays of `str`, or of `bytes` where an element is not valid UTF-8.
        parameters: what travels with it, the checksum left out.
    """

    name: str
    array: np.ndarray
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferRequest:
    """A request to run a model, or whatever of it the tensors leave to run.

    Attributes:
        model_name: which model.
        model_version: empty for the server's choice.
        id: comes back on the answer; free text.
        tensors: what is fed, by graph name.
        outputs: names of the wanted outputs; empty for all.
        parameters: of the request as a whole.
    """

    model_name: str
    model_version: str = ""
    id: str = ""
    tensors: tuple[Tensor, ...] = ()
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferResponse:
    """The answer to an `InferRequest`.

    Attributes:
        model_name: which model answered.
        model_version: which version of it.
        id: the request's.
        tensors: the outputs.
        parameters: of the answer as a whole; the server's load among them.
    """

    model_name: str
    model_version: str = ""
    id: str = ""
    tensors: tuple[Tensor, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuery:
    """Asks about the server itself: is it live, is it ready, what is it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuery:
    """Asks about one model: is it ready, what is it.

    Attributes:
        name: which model.
        version: empty for the server's choice.
    """

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What a server says of itself.

    Attributes:
        name: the server's program.
        version: of that program.
        extensions: the OIP extensions that it speaks.
    """

    name: str
    version: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMetadata:
    """What a model says of one input or output.

    Attributes:
        name: as in the graph.
        datatype: OIP's word, for instance `FP32`.
        shape: one length a dimension; -1 where it varies.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What a server says of one model.

    Attributes:
        name: the model.
        versions: those that can be asked for.
        platform: OIP's word for what runs it, for instance `onnxruntime_onnx`.
        inputs: of the whole model.
        outputs: of the whole model.
    """

    name: str
    versions: tuple[str, ...] = ()
    platform: str = ""
    inputs: tuple[TensorMetadata, ...] = ()
    outputs: tuple[TensorMetadata, ...] = ()
