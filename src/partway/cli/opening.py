"""From the shared options to a model that is ready to be looked at, and arrays to feed it.

Input: parsed arguments of `options.add_model`. Output: a source with its binding, its canonical graph, feeds.
Called by every verb that takes a MODEL.
"""

import argparse
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from partway.cli.options import only_once
from partway.documents import read_document
from partway.engine import OrtRuntime, random_feeds
from partway.errors import InputError
from partway.graph import Binding, Model, Source, TensorInfo, canonicalise
from partway.planning import PlanDocument
from partway.reporting import waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the user wants looked at: a model, and how its inputs are bound.

    Attributes:
        source: the author's file.
        binding: shapes of what is fed, and what is held constant.
        values: inputs held constant, as the user gave them.
        given: the arrays of `--input`; None where random ones will do.
    """

    source: Source
    binding: Binding
    values: Mapping[str, np.ndarray]
    given: Mapping[str, np.ndarray] | None

    def feeds(self, seed: int) -> Mapping[str, np.ndarray]:
        """The user's arrays, or random ones.

        Args:
            seed: of the random ones.

        Raises:
            BindingError: an input is of a type that cannot be made up.
        """
        if self.given is not None:
            return self.given
        shapes = dict(self.binding.shapes)
        optional = {tensor.name for tensor in self.source.optional_inputs}
        fed = [
            replace(tensor, shape=shapes.get(tensor.name, tensor.shape))
            for tensor in (*self.source.inputs, *self.source.optional_inputs)
            if tensor.name in shapes or tensor.name not in optional | self.values.keys()
        ]
        return random_feeds(fed, np.random.default_rng(seed))


def open_subject(arguments: argparse.Namespace) -> Subject:
    """The model that the arguments name, bound as they say.

    Raises:
        InputError: the model, the shapes, the values or the input file cannot be used.
    """
    shapes = only_once("--shape", arguments.shape)
    values = only_once("--bind", arguments.bind)
    with waiting(f"reading {arguments.model}", quiet=arguments.json):
        source = Source.open(arguments.model)
    if arguments.input is None:
        return Subject(source=source, binding=source.bind(shapes, values), values=values, given=None)
    if shapes:
        raise InputError("--shape and --input were both given; the arrays have shapes, so leave --shape out")
    fed = tuple(t for t in (*source.inputs, *source.optional_inputs) if t.name not in values)
    needed = tuple(t.name for t in source.inputs if t.name not in values)
    given = read_feeds(Path(arguments.input), fed, needed)
    return Subject(source=source, binding=source.bind_feeds(given, values), values=values, given=given)


def open_graph(subject: Subject, runtime: OrtRuntime, *, quiet: bool) -> Model:
    """The canonical graph of a subject, from the cache or made now.

    Args:
        subject: model and binding.
        runtime: simplifies it.
        quiet: whether to show nothing meanwhile.

    Raises:
        InputError: the runtime refuses the model under this binding.
    """
    with waiting(f"simplifying {subject.source.label}", quiet=quiet):
        return canonicalise(subject.source, subject.binding, runtime)


def read_plan(path: Path | None, subject: Subject) -> PlanDocument | None:
    """The plan that the user named, if it is of this subject; None for none.

    Raises:
        DocumentError: it cannot be read.
        InputError: it is of another model, or of inputs of other shapes.
    """
    if path is None:
        return None
    plan = read_document(path, PlanDocument)
    plan.check_model(subject.source.digest, subject.binding.encode())
    return plan


def read_feeds(path: Path, known: tuple[TensorInfo, ...], needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays in an input file, by input name.

    Args:
        path: an `.npz` file with an array for each input, or an `.npy` file for a sole one.
        known: the inputs that may be fed.
        needed: names of those that must be.

    Raises:
        InputError: the file cannot be read, holds pickled objects, or does not fit the inputs.
    """
    loaded = _load(path)
    wanted = ", ".join(tensor.describe() + " " + tensor.name for tensor in known) or "none"
    if isinstance(loaded, np.ndarray):
        if len(needed) != 1:
            raise InputError(
                f"{path} holds one array and the model's inputs are {wanted}; give an .npz with these names"
            )
        loaded = {needed[0]: loaded}
    dtypes = {tensor.name: tensor.dtype for tensor in known}
    for name in loaded:
        if name not in dtypes:
            raise InputError(f"{path} holds {name!r}, which is no input to feed; they are {wanted}")
    for name in needed:
        if name not in loaded:
            raise InputError(f"{path} has no array {name!r}; it holds {', '.join(loaded) or 'nothing'}")
    return {name: _as_declared(array, dtypes[name]) for name, array in loaded.items()}


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:  # numpy leaves files open that it cannot read
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except OSError as error:
        raise InputError(f"cannot read the inputs {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds no plain NumPy arrays ({error}); write it with numpy.savez") from error


def _as_declared(array: np.ndarray, declared: np.dtype | None) -> np.ndarray:
    # NumPy's files keep the bits of types that it does not know, such as bfloat16, but not their names.
    if array.dtype.kind == "V" and declared is not None and array.dtype.itemsize == declared.itemsize:
        return array.view(declared)
    return array
