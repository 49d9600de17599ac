"""What the server's tails cost, asked for with OIP's own messages.

The server answers for a model that is no model, `partway.costs`: in go a model's identity and some cuts,
out comes what the server takes for each cut's tail. So a plain OIP connection is enough, and a server that
knows nothing of it says that it has no such model. The client asks, the server answers.

    request   parameters partway.model, partway.digest, partway.binding
              cuts      BYTES [n]   each a JSON list of crossing tensors, for instance ["conv1", "skip"]
              padding   UINT8 [m]   optional: bytes that mean nothing, sent to learn how fast they travel
    response  server_s  FP64  [n]   seconds; NaN where not known yet
              measured  BOOL  [n]   true where the server timed it itself, false where it predicts or guesses
              parameter partway.codecs   optional: what the server can decode, for instance raw,zstd
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from partway.errors import WireError
from partway.wire.parameters import BINDING, CODECS, DIGEST, MODEL, RAW
from partway.wire.records import InferRequest, InferResponse, Parameter, Tensor

COSTS_MODEL = "partway.costs"
"""The name under which costs are asked for."""
MAX_CUTS = 4096
"""Cuts in one query."""
MAX_CUT_BYTES = 64 * 1024
"""Length of one cut's JSON."""

MAX_PADDING_BYTES = 1024 * 1024
"""Length of the padding."""

_ONLY_RAW = (RAW,)
_MOST_CODECS_TEXT = 1024
_CUTS, _PADDING, _SERVER_S, _MEASURED = "cuts", "padding", "server_s", "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuery:
    """Asks what the tails of some cuts cost.

    Attributes:
        model_name: as served.
        digest: of the source model.
        binding: as `graph` writes it.
        cuts: the crossing tensors of each, at most `MAX_CUTS`.
        padding_bytes: meaningless bytes to send along, at most `MAX_PADDING_BYTES`.
    """

    model_name: str
    digest: str
    binding: str
    cuts: tuple[tuple[str, ...], ...]
    padding_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnswer:
    """What the tails cost, in the order of the query's cuts.

    Attributes:
        server_s: seconds, decoding included; None where not known yet.
        measured: whether the server timed it itself; False where predicted, guessed or not known.
        codecs: names of the codecs that the server can decode; `raw` alone from one that says nothing of them.
    """

    server_s: tuple[float | None, ...]
    measured: tuple[bool, ...]
    codecs: tuple[str, ...] = _ONLY_RAW

    def __post_init__(self) -> None:
        """Refuses what no server can mean.

        Raises:
            WireError: lengths that differ, a cost that is not finite and non-negative, or measured unknowns.
        """
        if len(self.server_s) != len(self.measured):
            raise WireError(f"{len(self.server_s)} costs and {len(self.measured)} marks came; expected as many")
        for server_s, measured in zip(self.server_s, self.measured, strict=True):
            if server_s is None and measured:
                raise WireError("a cost is marked as measured and not given; expected seconds")
            if server_s is not None and not (math.isfinite(server_s) and server_s >= 0.0):
                raise WireError(f"a cost is {server_s} s; expected finite seconds, not negative")


def encode_cost_query(query: CostQuery) -> InferRequest:
    """The query as an inference request.

    Raises:
        WireError: more or longer cuts than can be asked for at once.
    """
    elements = [msgspec.json.encode(crossing).decode() for crossing in query.cuts]
    _check_sizes(elements)
    tensors = [Tensor(name=_CUTS, array=np.array(elements, dtype=object))]
    if query.padding_bytes:
        # Noise, since a link that compresses would make zeros look fast.
        noise = np.random.default_rng(0).integers(0, 256, query.padding_bytes, dtype=np.uint8)
        tensors.append(Tensor(name=_PADDING, array=noise))
    return InferRequest(
        model_name=COSTS_MODEL,
        tensors=tuple(tensors),
        parameters={MODEL: query.model_name, DIGEST: query.digest, BINDING: query.binding},
    )


def decode_cost_query(request: InferRequest) -> CostQuery:
    """The query in an inference request.

    Raises:
        WireError: the request is not such a query.
    """
    if request.model_name != COSTS_MODEL:
        raise WireError(f"the request is for {request.model_name!r}; costs are asked of {COSTS_MODEL!r}")
    padding_bytes = sum(tensor.array.nbytes for tensor in request.tensors if tensor.name == _PADDING)
    if padding_bytes > MAX_PADDING_BYTES:
        raise WireError(f"a cost query is padded with {padding_bytes} bytes; at most {MAX_PADDING_BYTES} are accepted")
    asked = tuple(tensor for tensor in request.tensors if tensor.name != _PADDING)
    (cuts,) = _vectors(asked, {_CUTS: np.dtype(object)})
    elements = list(cuts)
    _check_sizes(elements)
    return CostQuery(
        model_name=_text(request.parameters, MODEL),
        digest=_text(request.parameters, DIGEST),
        binding=_text(request.parameters, BINDING),
        cuts=tuple(_decode_crossing(element) for element in elements),
        padding_bytes=padding_bytes,
    )


def encode_cost_answer(answer: CostAnswer, parameters: Mapping[str, Parameter] | None = None) -> InferResponse:
    """The answer as an inference response.

    Args:
        answer: one cost a cut.
        parameters: of the response, the load for instance.
    """
    server_s = [math.nan if seconds is None else seconds for seconds in answer.server_s]
    return InferResponse(
        model_name=COSTS_MODEL,
        tensors=(
            Tensor(name=_SERVER_S, array=np.array(server_s, dtype=np.float64)),
            Tensor(name=_MEASURED, array=np.array(answer.measured, dtype=np.bool_)),
        ),
        parameters={**(parameters or {}), **_encode_codecs(answer.codecs)},
    )


def decode_cost_answer(response: InferResponse, *, cuts: int) -> CostAnswer:
    """The answer in an inference response.

    Args:
        response: what the server sent.
        cuts: how many the query asked about.

    Raises:
        WireError: the response is not such an answer, or not one for so many cuts.
    """
    server_s, measured = _vectors(response.tensors, {_SERVER_S: np.dtype(np.float64), _MEASURED: np.dtype(np.bool_)})
    if len(server_s) != cuts:
        raise WireError(f"costs of {len(server_s)} cuts came; {cuts} were asked for")
    return CostAnswer(
        server_s=tuple(None if math.isnan(seconds) else seconds for seconds in server_s.tolist()),
        measured=tuple(measured.tolist()),
        codecs=_decode_codecs(response.parameters.get(CODECS)),
    )


def _vectors(tensors: tuple[Tensor, ...], wanted: Mapping[str, np.dtype]) -> tuple[np.ndarray, ...]:
    """The wanted tensors in order, each of its element type and one dimension."""
    found = {tensor.name: tensor.array for tensor in tensors}
    if found.keys() != wanted.keys():
        raise WireError(f"costs came with tensors {sorted(found)}; expected {sorted(wanted)}")
    for name, dtype in wanted.items():
        if found[name].dtype != dtype or found[name].ndim != 1:
            raise WireError(
                f"costs came with {name!r} as {found[name].dtype} of {found[name].ndim} dimensions; "
                f"expected {dtype} of one"
            )
    return tuple(found[name] for name in wanted)


def _check_sizes(elements: Sequence[str | bytes]) -> None:
    if len(elements) > MAX_CUTS:
        raise WireError(f"costs of {len(elements)} cuts are asked for; at most {MAX_CUTS} at once: ask in parts")
    longest = max(map(len, elements), default=0)
    if longest > MAX_CUT_BYTES:
        raise WireError(f"a cut takes {longest} characters; at most {MAX_CUT_BYTES} are accepted")


def _decode_crossing(element: str | bytes) -> tuple[str, ...]:
    try:
        crossing = msgspec.json.decode(element, type=tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"a cut is not a JSON list of tensor names: {error}") from error
    if len(set(crossing)) != len(crossing):
        raise WireError(f"a cut names a tensor more than once: {element!r}; name each once")
    return crossing


def _encode_codecs(codecs: tuple[str, ...]) -> dict[str, Parameter]:
    return {} if codecs == _ONLY_RAW else {CODECS: ",".join(codecs)}


def _decode_codecs(text: Parameter | None) -> tuple[str, ...]:
    """The names in a server's list. Unknown ones are passed on: they come from a newer server, and nobody uses them."""
    if text is None:
        return _ONLY_RAW
    if not isinstance(text, str) or len(text) > _MOST_CODECS_TEXT:
        shown = f"{len(text)} characters" if isinstance(text, str) else repr(text)
        raise WireError(f"parameter {CODECS!r} is {shown}; expected names between commas, {_MOST_CODECS_TEXT} in all")
    return tuple(name for name in text.split(",") if name)


def _text(parameters: Mapping[str, Parameter], name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str):
        raise WireError(f"parameter {name!r} of the cost query is {value!r}; expected text")
    return value
