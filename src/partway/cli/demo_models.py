"""The trained models of the demo, where an installed package put them.

Input: nothing. Output: paths and the characters that the reader knows. The package is never imported: it would want
much that the demo does not. Called by `partway demo`.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from partway.errors import InputError
from partway.graph import Source

_PACKAGE = "rapidocr"
INSTALL = "install it with `pip install 'partway[demo]'`, or run `make demo`"
_FOLDER = "rapidocr/models/"


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrModels:
    """PP-OCR as its package carries it.

    Attributes:
        package: name and version of the package.
        turner: says which lines of text are upside down.
        reader: reads a line.
    """

    package: str
    turner: Path
    reader: Path


def find_models() -> OcrModels:
    """The models of the installed package.

    Raises:
        InputError: the package is not installed, or has no such models.
    """
    try:
        package = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"the demo needs the trained models of the package {_PACKAGE}; {INSTALL}") from None
    named = f"{_PACKAGE} {package.version}"
    files = [file for file in package.files or () if str(file).startswith(_FOLDER) and file.suffix == ".onnx"]
    found = {}
    for kind in ("cls", "rec"):
        paths = sorted(Path(str(package.locate_file(file))) for file in files if f"_{kind}_" in file.name)
        if not paths or not paths[0].is_file():
            raise InputError(f"{named} carries no PP-OCR model named *_{kind}_*.onnx; {INSTALL}")
        found[kind] = paths[0]
    return OcrModels(package=named, turner=found["cls"], reader=found["rec"])


def read_characters(reader: Path) -> tuple[str, ...]:
    """The characters that the reader's scores stand for, which its file lists.

    Args:
        reader: PP-OCR's recognition model.

    Raises:
        InputError: the file does not list them.
    """
    listed = Source.open(reader).load().metadata_props.get("character")
    if not listed:
        raise InputError(f"{reader} lists no characters in its metadata; {INSTALL}")
    return tuple(listed.split("\n"))
