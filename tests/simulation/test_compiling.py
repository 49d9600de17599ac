"""What is compiled computes what was written, and is kept where that is possible."""

from partway.simulation.compiling import compiled, plain


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
