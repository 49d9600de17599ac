"""Source models: any ONNX file as its author left it.

Input: a path, or the name of a network. Output: a `Source` with the model's identity, declared inputs and outputs, and
the names that its author gave to tensors; the graph itself is read again only when a binding must be canonicalised.
Called by the client, the server's repository and every command that takes a MODEL.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx_ir as ir
from google.protobuf.message import DecodeError

from partway.documents import Document, read_document, write_document
from partway.errors import BindingError, DocumentError, ModelError
from partway.graph.binding import Binding, bind_inputs
from partway.graph.cache import Cache, Entry
from partway.graph.digest import digest_model
from partway.graph.external import resolve_external_data
from partway.graph.named import find_model
from partway.graph.tensors import TensorInfo, TensorRecord, read_value

logger = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int, int], ...]
_LARGEST_GRAPH_BYTES = 2**31  # protobuf's own limit; larger models keep their weights in other files


class SourceMemo(Document, frozen=True, kw_only=True):
    """What was learnt from a source file, valid while its stamp stays the same."""

    kind = "partway.source"
    version = 2

    stamp: _Stamp
    digest: str
    inputs: tuple[TensorRecord, ...]
    optional_inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An ONNX model as its author left it.

    Attributes:
        path: the file: as given, or a network's in the cache.
        digest: its identity, `sha256:` and hex digits: equal for equal graphs and weights, however packed.
        inputs: declared inputs that must be fed.
        optional_inputs: inputs with a default, which may be fed.
        outputs: declared outputs.
        names: names of all top-level tensors; only these may cross a cut.
        stamp: name, size, time and inode of the files that it was read from.
        entry: what keeps a network's file in the cache as long as the source is held; None for other files.
    """

    path: Path
    digest: str
    inputs: tuple[TensorInfo, ...]
    optional_inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    names: frozenset[str]
    stamp: _Stamp = field(repr=False, compare=False)
    entry: Entry | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, path: str | Path, *, cache: Cache | None = None) -> "Source":
        """The model stored at `path`, or the network of that name.

        Args:
            path: an ONNX file, its external data beside it; else a name that `find_model` knows.
            cache: remembers the digest of unchanged files, and holds networks; by default the one of `PARTWAY_CACHE`.

        Raises:
            ModelError: no such file, or not a model that can be read.
            InputError: the cache cannot be written.
        """
        cache = cache or Cache.default()
        found = find_model(path, cache=cache)
        path = found.path
        key = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]
        memo_path = cache.sources / f"{key}.json"
        memo = _remembered(memo_path)
        if memo is None:
            memo = _learn(path)
            with cache.writing():
                write_document(memo_path, memo)
        return cls(
            path=path,
            digest=memo.digest,
            inputs=tuple(tensor.info() for tensor in memo.inputs),
            optional_inputs=tuple(tensor.info() for tensor in memo.optional_inputs),
            outputs=tuple(tensor.info() for tensor in memo.outputs),
            names=frozenset(memo.names),
            stamp=memo.stamp,
            entry=found.entry,
        )

    @property
    def label(self) -> str:
        """What people call it: the path that they gave, or the network's name."""
        return str(self.path) if self.entry is None else self.path.stem

    def bind(
        self,
        shapes: Mapping[str, Sequence[int]] | None = None,
        values: Mapping[str, np.ndarray] | None = None,
    ) -> Binding:
        """The binding that `shapes` and `values` describe; an open first dimension is a batch of 1.

        Args:
            shapes: lengths by input name.
            values: inputs held constant, by name.

        Raises:
            BindingError: they do not fit the model, or leave dimensions open.
        """
        optional = frozenset(tensor.name for tensor in self.optional_inputs)
        return bind_inputs((*self.inputs, *self.optional_inputs), optional, shapes or {}, values or {})

    def bind_feeds(self, feeds: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray] | None = None) -> Binding:
        """The binding that one request's feeds describe by their shapes.

        Args:
            feeds: an array for every input that is not held constant.
            values: inputs held constant, by name.

        Raises:
            BindingError: a feed is missing, unknown, has a shape or type that does not fit, or contradicts the
                value that its input is held at.
        """
        values = values or {}
        known = {tensor.name: tensor for tensor in (*self.inputs, *self.optional_inputs)}
        missing = [tensor.name for tensor in self.inputs if tensor.name not in feeds and tensor.name not in values]
        if missing:
            raise BindingError(f"no feed for the inputs {', '.join(missing)}; the model needs one for each")
        for name, array in feeds.items():
            declared = known.get(name)
            if declared is not None and declared.dtype is not None and not _same_type(declared.dtype, array.dtype):
                raise BindingError(f"input {name!r} is {declared.describe()}; it was fed {array.dtype} instead")
            if name in values and not np.array_equal(array, values[name]):
                raise BindingError(f"input {name!r} is held at {values[name]} and was fed another value; feed one only")
        return self.bind({name: array.shape for name, array in feeds.items() if name not in values}, values)

    def load(self) -> ir.Model:
        """The graph, read from its file again; tensors stay on disk until they are used.

        Raises:
            ModelError: the file is gone or cannot be read any more.
        """
        return read_model(self.path)[0]

    def require_unchanged(self) -> None:
        """Make sure that what was loaded since is still the model of this digest.

        Raises:
            ModelError: a file has changed since the source was opened.
        """
        for file, *known in self.stamp:
            try:
                changed = _stamp(Path(file))[1:] != tuple(known)
            except OSError:
                changed = True
            if changed:
                raise ModelError(f"{file} has changed since {self.path} was opened; open it again")


def read_model(path: Path) -> tuple[ir.Model, frozenset[Path]]:
    """The onnx-ir model in the file, and the files that its external data lies in.

    External data is looked for beside the path, then beside what it links to.

    Raises:
        ModelError: the file cannot be read, or its external data is absent or outside its folder.
    """
    try:
        size_bytes = path.stat().st_size
        model = ir.load(path) if size_bytes < _LARGEST_GRAPH_BYTES else None
    except (OSError, ValueError, TypeError, KeyError, DecodeError) as error:
        raise ModelError(f"{path} is not a readable ONNX model: {error}") from error
    if model is None:
        raise ModelError(f"{path} is over 2 GiB, which protobuf cannot read; store its weights as external data")
    if not len(model.graph) and not model.graph.outputs:
        raise ModelError(f"{path} holds no ONNX graph; expected a file that onnx.save wrote")
    return model, resolve_external_data(path, model)


def _learn(path: Path) -> SourceMemo:
    # Stamped before it is read: a change meanwhile makes the memo stale instead of wrong.
    stamp = {_stamp(path)}
    model, files = read_model(path)
    stamp |= {_stamp(file) for file in files}
    graph = model.graph
    try:
        digest = digest_model(model)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"the weights of {path} cannot be read: {error}") from error
    # Files of IR 3 and older list every weight among the inputs; those are no inputs at all.
    overridable = frozenset(graph.initializers) if (model.ir_version or 0) >= 4 else frozenset()
    inputs = [v for v in graph.inputs if v.name not in graph.initializers or v.name in overridable]
    names = {value.name for node in graph for value in node.outputs if value.name}
    return SourceMemo(
        stamp=tuple(sorted(stamp)),
        digest=digest,
        inputs=tuple(TensorRecord.of(read_value(v)) for v in inputs if v.name not in overridable),
        optional_inputs=tuple(TensorRecord.of(read_value(v)) for v in inputs if v.name in overridable),
        outputs=tuple(TensorRecord.of(read_value(v)) for v in graph.outputs),
        names=tuple(sorted(names | {value.name for value in inputs if value.name})),
    )


def _same_type(declared: np.dtype, given: np.dtype) -> bool:
    return declared == given or (declared == np.dtype(object) and given.kind in "USO")


def _stamp(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return (str(file.absolute()), status.st_size, status.st_mtime_ns, status.st_ino)


def _remembered(memo_path: Path) -> SourceMemo | None:
    if not memo_path.is_file():
        return None
    try:
        memo = read_document(memo_path, SourceMemo)
        current = tuple(_stamp(Path(file)) for file, *_ in memo.stamp)
    except (DocumentError, OSError):
        return None  # of another release, or files moved: learnt anew
    if current != memo.stamp:
        return None
    with contextlib.suppress(OSError):
        os.utime(memo_path)  # the cache forgets what nobody asks for
    return memo
