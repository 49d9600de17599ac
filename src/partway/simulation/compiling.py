"""Machine code for the hot loops; the one importer of numba, an optional extra.

Input: a function of arrays and numbers. Output: the same function, compiled at its first call for the types it is
called with, and kept beside its module, or in the user's cache where that folder cannot be written. Imported by the
modules of loops, and those only when something is simulated: numba takes a third of a second to import.

Numba makes what it keeps anew when the module's own file changes, and not when one changes that it imports. So the
content of all files that loops are made of is in each function's name, under which it is kept.
"""

import hashlib
from collections.abc import Callable
from importlib import resources
from typing import TypeVar, cast

from partway.errors import InputError

try:
    from numba import njit
except ImportError as missing:
    raise InputError("simulating needs numba: pip install 'partway[simulate]'") from missing

Loop = TypeVar("Loop", bound=Callable[..., object])

SOURCES = ("compiling.py", "fleet_loops.py", "fleet_world.py", "queue_loops.py")
"""Files beside this one that decide what loops are compiled to."""

_FOLDER = resources.files("partway.simulation")
_DIGEST = hashlib.sha256(b"".join(_FOLDER.joinpath(name).read_bytes() for name in SOURCES)).hexdigest()[:16]


def compiled(function: Loop) -> Loop:
    """The function as machine code; arithmetic is IEEE's, as in Python, so results are the same to the last bit."""
    function.__qualname__ = f"{function.__qualname__}_{_DIGEST}"
    try:
        made = njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # no folder to keep it in: it is compiled anew in every process
        made = njit(function, error_model="numpy")
    return cast(Loop, made)


def plain(function: Loop) -> Loop:
    """The Python function that a compiled one was made of, for tests that hold the two against each other."""
    return cast(Loop, function.py_func)  # type: ignore[attr-defined]  # what numba makes has it
