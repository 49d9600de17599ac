"""Data stay data: nothing that is read from a file or a network can be run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
RUNS_CODE = frozenset({"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml"})
CALLS = frozenset({"eval", "exec", "compile", "__import__", "system", "popen", "mktemp"})
ALLOWED_CALLS = frozenset({("re", "compile")})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[path.parts.index("partway") :]))
def test_nothing_in_a_file_runs_what_it_reads(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(_suspects(tree)) == []


def test_what_would_run_code_is_found() -> None:
    for source in (
        "import pickle",
        "from yaml import load",
        "import numpy as np\nnp.load('x')",
        "np.load('x', allow_pickle=True)",
        "eval('1')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "builtins.exec('1')",
        "np.savez('x', y=y)",
    ):
        assert list(_suspects(ast.parse(source))), source
    assert not list(_suspects(ast.parse("np.load(f, allow_pickle=False)\nre.compile('x')\njson.load(f)")))


def _suspects(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in RUNS_CODE)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in RUNS_CODE:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            yield from _suspect_call(node)


def _suspect_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    options = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
    if name in CALLS and (owner, name) not in ALLOWED_CALLS:
        yield f"{owner}.{name}"
    reads_arrays = owner in ("np", "numpy") and name in ("load", "save", "savez", "savez_compressed")
    if reads_arrays and options.get("allow_pickle") is not False:
        yield f"{owner}.{name} without allow_pickle=False"
    if options.get("shell") is True:
        yield "shell=True"
