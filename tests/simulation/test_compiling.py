"""What is compiled computes what was written, and is kept where that is possible."""

import ast
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from partway.simulation import compiling, fleet_loops, queue_loops
from partway.simulation.compiling import SOURCES, compiled, plain


def double(number: float) -> float:
    """Twice a number."""
    return 2.0 * number


def test_what_is_compiled_computes_what_was_written() -> None:
    fast = compiled(double)
    assert fast(21.0) == double(21.0) == plain(fast)(21.0)
    assert plain(fast) is double


def test_what_cannot_be_kept_is_compiled_all_the_same() -> None:
    """A function without a file, as in a folder that nobody may write to: there is no place for its machine code."""
    found: dict[str, object] = {}
    exec(compile("def triple(number):\n    return 3.0 * number\n", "<nowhere>", "exec"), found)
    triple = found["triple"]
    assert callable(triple)
    assert compiled(triple)(7.0) == 21.0


_LOOP = """
from partway.simulation.compiling import compiled

@compiled
def times(number):
    return FACTOR * number
"""


def test_what_was_kept_is_compiled_anew_when_a_module_changes_that_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "loop.py"
    path.write_text(_LOOP)
    assert loaded(path, factor=2.0)(3.0) == 6.0
    monkeypatch.setattr(compiling, "_DIGEST", "of_other_files")
    assert loaded(path, factor=5.0)(3.0) == 15.0


def loaded(path: Path, factor: float) -> Callable[[float], float]:
    """The function of a module that has a factor from elsewhere, as a process of its own would have it."""
    spec = importlib.util.spec_from_file_location("loop", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    vars(module)["FACTOR"] = factor
    spec.loader.exec_module(module)
    times: Callable[[float], float] = module.times
    return times


def test_every_file_that_decides_what_is_compiled_is_known() -> None:
    """What loops import of the simulator; distributions give them the name of a type alone."""
    imported = {
        f"{node.module.rpartition('.')[2]}.py"
        for module in (fleet_loops, queue_loops)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert imported - {"distributions.py"} <= set(SOURCES)
    assert {"fleet_loops.py", "queue_loops.py"} <= set(SOURCES)
