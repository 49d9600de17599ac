"""The fuzzing finds what it is for, and the decoders stand some thousands of inputs of it."""

import numpy as np
import pytest
from benchmarks.fuzzing import decoders
from benchmarks.fuzzing.decoders import fuzz_decoders, fuzz_one
from benchmarks.fuzzing.mutation import Mutator

from partway.errors import WireError

SEED = b"name=x;length=12;" + bytes(range(32))


def test_no_decoder_breaks_hangs_or_allocates_too_much() -> None:
    told: list[int] = []
    tallies = fuzz_decoders(6000, seed=7, progress=told.append)
    assert sum(tally.inputs for tally in tallies) == 6000
    assert [tally.target for tally in tallies if not tally.passed] == []
    assert all(tally.endings["accepted"] for tally in tallies), "some mutations have to be valid, or little is tried"
    assert told == sorted(told)


def test_what_is_no_refusal_is_found() -> None:
    def careless(content: bytes) -> None:
        if not content.startswith(b"name"):
            raise WireError("no name")
        content[16:17].decode("ascii")  # raises for some bytes, and that is no refusal

    tally = fuzz_one(careless, (SEED,), 3000, seed=1)
    assert not tally.passed
    assert "UnicodeDecodeError" in tally.broken[0]
    assert tally.endings["WireError"]


def test_what_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "HANG_S", 0.05)

    def stuck(content: bytes) -> None:
        while content != SEED:
            pass

    assert fuzz_one(stuck, (SEED,), 2, seed=0).hung == 2


def test_what_allocates_too_much_is_found() -> None:
    assert fuzz_one(lambda _content: bytearray(2**22), (SEED,), 1, seed=0).over == 1


def test_an_input_that_ends_in_a_new_way_becomes_a_parent() -> None:
    mutator = Mutator((b"",), np.random.default_rng(0))
    mutator.learn(b"deep", "a new way")
    mutator.learn(b"shallow", "a new way")
    made = {mutator.make() for _ in range(200)}
    assert any(b"eep" in content for content in made)
    assert not any(b"hallow" in content for content in made)
    assert mutator.seen == 1
