"""Every key and element of a TOML file is found on the line where it stands."""

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.simulation.toml_lines import KeyPath, key_lines

TEXT = '''# a comment with [brackets] = and "quotes"
title = "one # not a comment"   # a comment
nested.deep.key = 1
"quoted key".'other' = [1, 2]

[server]
workers = 4
batch = { most = 8, seconds = ["1ms", "2ms"] }
text = """
[not] a = heading
with \\""" inside"""
literal = \'\'\'
also = no key\'\'\'

[[devices]]
count = 1
cuts = [
  { name = "a", up = "1kB" },  # a comment, with commas
  # a whole line
  { name = "b" },
]

[devices.link]
rate = 1979-05-27 07:32:00

[[devices]]
count = 2

[[devices.changes]]
from = "1s"
[[devices.changes]]
from = "2s"
[ "devices" . 'extra' ]
flag = true
'''

LINES: dict[KeyPath, int] = {
    ("title",): 2,
    ("nested",): 3,
    ("nested", "deep", "key"): 3,
    ("quoted key", "other"): 4,
    ("quoted key", "other", 1): 4,
    ("server",): 6,
    ("server", "workers"): 7,
    ("server", "batch", "seconds", 1): 8,
    ("server", "text"): 9,
    ("server", "literal"): 12,
    ("devices",): 15,
    ("devices", 0): 15,
    ("devices", 0, "count"): 16,
    ("devices", 0, "cuts"): 17,
    ("devices", 0, "cuts", 0, "up"): 18,
    ("devices", 0, "cuts", 1): 20,
    ("devices", 0, "cuts", 1, "name"): 20,
    ("devices", 0, "link", "rate"): 24,
    ("devices", 1): 26,
    ("devices", 1, "count"): 27,
    ("devices", 1, "changes", 0): 29,
    ("devices", 1, "changes", 0, "from"): 30,
    ("devices", 1, "changes", 1, "from"): 32,
    ("devices", 1, "extra"): 33,
    ("devices", 1, "extra", "flag"): 34,
}


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from paths(inner, (*path, place))


def test_every_kind_of_key_stands_where_it_stands() -> None:
    found = key_lines(TEXT)
    assert {path: found[path] for path in LINES} == LINES


def test_every_path_that_the_reader_of_toml_finds_has_a_line() -> None:
    assert set(paths(tomllib.loads(TEXT))) <= set(key_lines(TEXT))


def test_an_empty_file_has_no_lines() -> None:
    assert key_lines("") == {}
    assert key_lines("# nothing\n\n") == {}


_KEYS = st.one_of(
    st.text("abcXYZ019_-", min_size=1, max_size=4),
    st.text("ab #=[]{}.,'\t", min_size=0, max_size=4).map(lambda text: f'"{text}"'),
    st.text("ab #=[]{}.,\\", min_size=0, max_size=4).map(lambda text: f"'{text}'"),
)
_SCALARS = st.sampled_from(
    [
        "1",
        "-0.5e3",
        "true",
        "inf",
        "1979-05-27T07:32:00Z",
        '"x # y"',
        "'[a]'",
        '"""a\n\'b"]"""',
        "'''\n{'''",
        '"\\" = "',
    ]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n  " + ", # c\n".join(items) + "\n]"),
        st.lists(inner.filter(lambda text: "\n" not in text), max_size=3).map(
            lambda items: "{ " + ", ".join(f"k{place} = {text}" for place, text in enumerate(items)) + " }"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=80, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(["", "[", "[["]), _KEYS, _VALUES), max_size=6))
def test_whatever_is_valid_is_read_to_the_end(pieces: list[tuple[str, str, str]]) -> None:
    lines = []
    for place, (kind, key, value) in enumerate(pieces):
        if kind:
            lines.append(f"{kind}{key}.t{place}{kind.replace('[', ']')}  # heading")
        lines.append(f"v{place}.{key} = {value}")
    text = "\n".join(lines)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = key_lines(text)
    assert set(paths(values)) <= set(found)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@pytest.mark.parametrize("text", [r'"a\tb" = 1', r'"aA" = 1', r'"\U0001F600" = 1', r"'a\tb' = 1", r'"\"" = 1'])
def test_quoted_keys_are_what_the_reader_of_toml_makes_of_them(text: str) -> None:
    assert set(key_lines(text)) == set(paths(tomllib.loads(text)))
