"""What codecs are expected to do follows what they did, and what the server takes."""

from pathlib import Path

import pytest
from tests.models import chain_model

from partway.client.codings import Codings
from partway.client.packing import Coding
from partway.engine import OrtRuntime
from partway.graph import Cut, Source, candidate_cuts, canonicalise


@pytest.fixture
def cuts(tmp_path: Path) -> tuple[Cut, ...]:
    source = Source.open(chain_model(tmp_path))
    return candidate_cuts(canonicalise(source, source.bind(), OrtRuntime(threads=1)))[:-1]


@pytest.fixture
def codings(cuts: tuple[Cut, ...]) -> Codings:
    """One coding of the first cut, a tenth of its bytes, that the server takes."""
    codings = Codings(cuts, lambda _: ("raw", "zstd"))
    codings.learn(0, "zstd", coding(cuts[0].up_bytes // 10))
    codings.accept(("raw", "zstd"))
    return codings


def coding(up_bytes: int) -> Coding:
    return Coding(codec="zstd", up_bytes=up_bytes, encode_s=0.1, decode_s=0.2)


def up_bytes(codings: Codings) -> int:
    (found,) = codings.of(0)
    return found.up_bytes


def test_every_allowed_codec_is_tried_once_at_every_cut(cuts: tuple[Cut, ...]) -> None:
    codings = Codings(cuts, lambda cut: ("raw", "zstd") if cut is cuts[1] else ("int8",) if cut is cuts[0] else ())
    assert codings.missing == ((0, "int8"), (1, "zstd"))
    codings.learn(0, "int8", None)
    codings.learn(1, "zstd", coding(10))
    assert not codings.missing
    codings.accept(("raw", "zstd", "int8"))
    assert codings.of(0) == (), "it failed"
    assert codings.of(1) == (coding(10),)


def test_only_what_the_server_takes_is_chosen(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    assert codings.of(0) == (coding(cuts[0].up_bytes // 10),)
    codings.accept(("raw",))
    assert codings.of(0) == ()
    codings.accept(("raw", "zstd"))
    assert len(codings.of(0)) == 1


def test_what_saves_nothing_is_not_chosen(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    codings.learn(0, "zstd", coding(cuts[0].up_bytes))
    assert codings.of(0) == ()


def test_sizes_follow_what_was_sent_and_the_first_ones_faster(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    before, sent = up_bytes(codings), cuts[0].up_bytes // 2
    assert codings.saw(0, "zstd", sent)
    once = up_bytes(codings)
    assert once == pytest.approx((before * sent) ** 0.5, rel=0.02)
    for _ in range(30):
        codings.saw(0, "zstd", sent)
    assert up_bytes(codings) == pytest.approx(sent, rel=0.02)
    codings.saw(0, "zstd", before)
    assert up_bytes(codings) > sent / 2, "one odd request moves little"


def test_sizes_as_expected_change_no_table(codings: Codings) -> None:
    assert not codings.saw(0, "zstd", up_bytes(codings))
    assert not codings.saw(1, "zstd", 1), "nobody measured it"


def test_what_is_not_used_any_more_is_slowly_forgotten(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    measured = up_bytes(codings)
    for _ in range(50):
        codings.saw(0, "zstd", cuts[0].up_bytes)
    assert codings.of(0) == ()
    codings.accept(("raw", "zstd"))
    for _ in range(200):
        codings.accept(("raw", "zstd"))
    assert up_bytes(codings) == pytest.approx(measured, abs=1)


def test_what_is_used_is_not_forgotten(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    sent = cuts[0].up_bytes // 2
    for _ in range(50):
        codings.saw(0, "zstd", sent)
        codings.accept(("raw", "zstd"))
    assert up_bytes(codings) == pytest.approx(sent, rel=0.02)


def test_a_refusal_ends_all_codings_until_the_server_says_anew(codings: Codings, cuts: tuple[Cut, ...]) -> None:
    codings.learn(1, "zstd", coding(10))
    codings.refuse(0, "zstd")
    assert (codings.of(0), codings.of(1)) == ((), ())
    codings.accept(("raw", "zstd"))
    assert codings.of(0) == (), "what was refused once is left alone"
    assert codings.of(1) == (coding(10),)
