from benchmarks.coding import choices

from partway.planning import CutCost


def cost(name: str, codec: str, up_bytes: int, error: float = 0.0) -> CutCost:
    return CutCost(
        crossing=(name,),
        device_s=0.0,
        up_bytes=up_bytes,
        server_s=0.01,
        down_bytes=0,
        offloaded=True,
        codec=codec,
        error=error,
    )


def test_each_way_takes_the_fastest_of_what_it_allows() -> None:
    costs = (
        cost("early", "raw", 1_000_000),
        cost("early", "zstd", 500_000),
        cost("late", "float16", 400_000, 0.002),
        cost("late", "int8", 100_000, 0.02),
        CutCost(crossing=(), device_s=60.0, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False),
    )
    found = list(choices(costs, 0.01, 8.0))
    assert [(choice.allowed, choice.codec) for choice in found] == [
        ("raw", "raw"), ("lossless", "zstd"), ("within", "float16")
    ] * 3  # fmt: skip
    assert {choice.link for choice in found} == {"3g", "lte", "wifi"}
    for raw, lossless, within in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert raw.latency_s > lossless.latency_s > within.latency_s


def test_a_codec_over_the_error_is_never_chosen() -> None:
    costs = (cost("early", "raw", 1_000_000), cost("early", "int8", 1, 0.5))
    assert {choice.codec for choice in choices(costs, 0.0, 1.0)} == {"raw"}
