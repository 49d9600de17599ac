"""What a request means: the arrays it feeds, the binding they belong to, and the piece that is left to run.

Input: a decoded request with a source or a canonical graph. Output: checked feeds, a binding, a piece. Pure
functions that raise one clear sentence each; called by the handlers before anything is computed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from partway.errors import BindingError, CutError, InputError, ModelMismatch
from partway.graph import Binding, Model, Piece, Source, TensorInfo, dtype_name, tail_piece
from partway.wire import BINDING, DIGEST, InferRequest, Parameter, can_cross

_SAY_WHICH = f"send the binding as the request parameter {BINDING!r}"


def check_digest(source: Source, digest: Parameter | None) -> None:
    """Refuse a client that has another model under the same name.

    Args:
        source: what is served.
        digest: the request's `partway.digest`; None from plain clients.

    Raises:
        InputError: it is no text.
        ModelMismatch: it is another model's.
    """
    if digest is None:
        return
    if not isinstance(digest, str):
        raise InputError(f"the parameter {DIGEST!r} is {digest!r}; send the digest as text")
    if digest != source.digest:
        raise ModelMismatch(
            f"the client's model is {digest[:80]}, the served one is {source.digest}; use the same file on both sides"
        )


def read_feeds(request: InferRequest) -> dict[str, np.ndarray]:
    """The request's arrays by name.

    Raises:
        InputError: nothing is fed.
    """
    if not request.tensors:
        raise InputError("the request feeds no tensor; send the model's inputs or a cut's crossing tensors")
    return {tensor.name: tensor.array for tensor in request.tensors}


def align(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays as a runtime may read them, copied where need be.

    Views of received bytes begin anywhere, and compiled kernels may rely on the addresses of whole elements.
    """
    return {name: np.require(array, requirements=("C", "A")) for name, array in feeds.items()}


def read_binding(
    source: Source,
    text: Parameter | None,
    feeds: Mapping[str, np.ndarray],
    coded: Collection[str] = (),
    *,
    known: Binding | None = None,
) -> Binding:
    """The binding that a request belongs to.

    Args:
        source: the model.
        text: the request's `partway.binding`. None from plain clients: then inputs bind by their shapes, and
            intermediate tensors belong to the model's default shapes.
        feeds: what was fed, as it travelled.
        coded: names of the tensors that a codec packed: their shapes are not the model's.
        known: what the text says, where this model was bound by the same text before; it is not read again.

    Raises:
        CutError: a fed tensor is none of the model's.
        BindingError: no binding can be read, or none can be guessed; from coded tensors none can.
        ModelMismatch: the binding is not one of this model.
    """
    for name in feeds:
        if name not in source.names:
            inputs = ", ".join(tensor.name for tensor in source.inputs)
            raise CutError(
                f"the model has no tensor {name!r}; its inputs are {inputs}, and `partway inspect` lists the others"
            )
    if text is None and coded:
        raise BindingError(
            f"tensor {next(iter(coded))!r} is coded, so its shape does not tell the binding; {_SAY_WHICH}"
        )
    if text is None:
        return _guess_binding(source, feeds)
    given = _decode_binding(source, text) if known is None else known
    for name, shape in given.shapes:
        if name in feeds and name not in coded and feeds[name].shape != shape:
            raise BindingError(
                f"tensor {name!r} has shape {list(feeds[name].shape)} and its binding says {list(shape)}; "
                "send the binding of the tensors that are sent"
            )
    return given


def read_tail(model: Model, fed: Iterable[str], outputs: Sequence[str]) -> Piece:
    """What is left to run of a model once some tensors are there.

    Args:
        model: the canonical graph.
        fed: names of the tensors that are there.
        outputs: wanted outputs; empty for all that can be computed from them.

    Raises:
        CutError: the fed tensors are no cut, or not one for these outputs.
        InputError: an output is of a type that cannot be sent.
    """
    piece = tail_piece(model, fed, outputs or None)
    for name in piece.outputs:
        if not can_cross(model.tensors[name].dtype):
            raise InputError(f"output {name!r} is {model.tensors[name].describe()}, which cannot be sent")
    return piece


def check_feeds(model: Model, feeds: Mapping[str, np.ndarray], *, guessed: bool) -> None:
    """Refuse arrays of another type or shape than the graph's.

    Args:
        model: the canonical graph.
        feeds: arrays by name, each a tensor of the graph.
        guessed: whether the binding was guessed, which the message then says.

    Raises:
        BindingError: one does not fit.
    """
    for name, array in feeds.items():
        _check_array(model.tensors[name], array, hint=f"; {_SAY_WHICH}" if guessed else "")


def _decode_binding(source: Source, text: Parameter) -> Binding:
    if not isinstance(text, str):
        raise BindingError(f"the parameter {BINDING!r} is {text!r}; send the binding as text")
    given = Binding.decode(text)
    try:
        complete = source.bind(dict(given.shapes), {value.name: value.array() for value in given.values})
    except BindingError as error:
        raise ModelMismatch(f"the request's binding does not fit the served model: {error}") from error
    if complete != given:
        raise ModelMismatch(f"the request's binding leaves inputs open; expected {complete.encode()}")
    return given


def _guess_binding(source: Source, feeds: Mapping[str, np.ndarray]) -> Binding:
    inputs = {tensor.name for tensor in (*source.inputs, *source.optional_inputs)}
    if feeds.keys() <= inputs and {tensor.name for tensor in source.inputs} <= feeds.keys():
        return source.bind_feeds(feeds)
    try:
        return source.bind({name: array.shape for name, array in feeds.items() if name in inputs})
    except BindingError as error:
        raise BindingError(f"the shapes of the model's inputs are not known: {error}; {_SAY_WHICH}") from error


def _check_array(tensor: TensorInfo, array: np.ndarray, *, hint: str) -> None:
    if tensor.dtype == array.dtype and tensor.shape == array.shape:
        return
    found = TensorInfo(name=tensor.name, dtype=array.dtype, shape=array.shape).describe()
    if tensor.dtype is not None and tensor.dtype != array.dtype:
        raise BindingError(f"tensor {tensor.name!r} is {found}; the model's is {dtype_name(tensor.dtype)}")
    fits = tensor.shape is None or (
        len(tensor.shape) == array.ndim
        and all(
            not isinstance(declared, int) or declared == given
            for declared, given in zip(tensor.shape, array.shape, strict=True)
        )
    )
    if not fits:
        raise BindingError(f"tensor {tensor.name!r} is {found}; the model's is {tensor.describe()} here{hint}")
