"""Cuts and codecs together: each cut raw, then under every codec that makes it smaller."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.strategies import cut_costs, device_only, office, with_joules

from partway.planning.coded import coded_costs
from partway.planning.costs import CutCost
from partway.verification import CodecTrial

law = settings(max_examples=100, derandomize=True)
factors = st.floats(0.01, 100)


def trial(crossing: tuple[str, ...], codec: str, raw: int, coded: int, **more: float) -> CodecTrial:
    seconds = {"encode_s": 0.002, "decode_s": 0.001} | more
    return CodecTrial(crossing=crossing, codec=codec, raw_bytes=raw, coded_bytes=coded, **seconds)


def unlike(costs: Sequence[CutCost]) -> list[CutCost]:
    """The same costs, raw, each with a name of its own."""
    return [
        msgspec.structs.replace(cost, codec="raw", crossing=(f"t{row}",) if cost.offloaded else ())
        for row, cost in enumerate(costs)
    ]


_errors = st.none() | st.floats(0, 1)


@st.composite
def tried(draw: st.DrawFn, costs: Sequence[CutCost]) -> list[CodecTrial]:
    """What two codecs made of some of these cuts' tensors."""
    return [
        CodecTrial(
            crossing=cost.crossing,
            codec=codec,
            raw_bytes=cost.up_bytes,
            coded_bytes=draw(st.integers(0, 2 * cost.up_bytes)),
            encode_s=draw(st.floats(0, 1)),
            decode_s=draw(st.floats(0, 1)),
            error=draw(_errors),
        )
        for cost in costs
        for codec in ("zstd", "int8")
        if draw(st.booleans())
    ]


@law
@given(st.data(), st.lists(cut_costs | with_joules(cut_costs), min_size=1, max_size=8), factors, factors)
def test_every_cut_stays_as_it_is_and_is_followed_by_the_codecs_that_make_it_smaller(
    data: st.DataObject, drawn: list[CutCost], device_scale: float, server_scale: float
) -> None:
    costs = unlike(drawn)
    trials = data.draw(tried(costs))
    rows = coded_costs(costs, trials, device_scale=device_scale, server_scale=server_scale)
    expected = [
        (cost.crossing, codec)
        for cost in costs
        for codec in ("raw", *(t.codec for t in trials if t.crossing == cost.crossing and cost.offloaded))
    ]
    smaller = {(t.crossing, t.codec): t for t in trials if t.coded_bytes < t.raw_bytes}
    keys = [(row.crossing, row.codec) for row in rows]
    assert keys == [key for key in expected if key[1] == "raw" or key in smaller]
    assert [row for row in rows if row.codec == "raw"] == costs
    raw = {cost.crossing: cost for cost in costs}
    for row in rows:
        if row.codec == "raw":
            continue
        cost, found = raw[row.crossing], smaller[row.crossing, row.codec]
        assert row.up_bytes == found.coded_bytes < cost.up_bytes
        assert row.device_s == pytest.approx(cost.device_s + device_scale * found.encode_s)
        assert row.server_s == pytest.approx(cost.server_s + server_scale * found.decode_s)
        assert row.error == (found.error or 0.0)
        kept = ("down_bytes", "offloaded", "how", "device_spread", "server_spread", "device_bytes")
        assert all(getattr(row, name) == getattr(cost, name) for name in kept)
        assert (row.device_j is None) == (row.device_j_how is None)
        if row.device_j is not None:
            assert cost.device_j is not None
            assert row.device_j >= cost.device_j


def test_codecs_follow_in_the_order_of_their_trials() -> None:
    trials = [trial(("pool5",), codec, 40_000, 9_000) for codec in ("zstd", "float16", "int8")]
    rows = coded_costs(office(), trials)
    assert [row.codec for row in rows] == ["raw", "raw", "zstd", "float16", "int8", "raw"]


def test_what_is_as_large_as_raw_or_larger_is_left_out() -> None:
    trials = [trial(("pool5",), "zstd", 40_000, 40_000), trial(("pool5",), "int8", 40_000, 40_100)]
    assert coded_costs(office(), trials) == tuple(office())


def test_encoding_costs_the_watts_of_the_heads() -> None:
    _, _, coded, _ = coded_costs(office(device_w=5.0), [trial(("pool5",), "zstd", 40_000, 9_000, encode_s=0.01)])
    assert coded.device_j == pytest.approx(5.0 * 0.11)
    assert coded.device_j_how == "constant"


def test_even_an_empty_head_pays_for_encoding() -> None:
    rows = coded_costs(office(device_w=5.0), [trial(("image",), "zstd", 600_000, 9_000, encode_s=0.01)], device_scale=4)
    assert rows[1].device_j == pytest.approx(5.0 * 0.04)
    assert rows[1].device_s == pytest.approx(0.04)


def test_joules_that_are_not_known_stay_unknown() -> None:
    rows = coded_costs(office(device_w=None), [trial(("pool5",), "zstd", 40_000, 9_000)])
    assert {(row.device_j, row.device_j_how) for row in rows} == {(None, None)}


def test_joules_of_heads_that_take_no_time_tell_no_watts_so_coded_ones_are_unknown() -> None:
    image = msgspec.structs.replace(office()[0], device_j=0.0)
    _, coded = coded_costs([image], [trial(("image",), "zstd", 600_000, 9_000)])
    assert (coded.device_j, coded.device_j_how) == (None, None)


def test_the_device_alone_and_cuts_that_were_not_tried_stay_as_they_are() -> None:
    alone = [device_only(0.2)]
    assert coded_costs(alone, [trial((), "zstd", 10, 5)]) == tuple(alone)
    assert coded_costs(office(), ()) == tuple(office())
    assert coded_costs(office(), [trial(("elsewhere",), "zstd", 10, 5)]) == tuple(office())
