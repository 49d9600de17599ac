"""The server is asked what requests do not tell, and no more."""

from partway.client.questions import Questions
from partway.link import NAMED_LINKS, Link, LinkEstimator, Transfer
from partway.testing import FakeClock

LTE = NAMED_LINKS["lte"]


def saw(estimator: LinkEstimator, link: Link, up_bytes: int, at_s: float) -> None:
    network_s = link.rtt_s + up_bytes / link.uplink_bytes_per_s
    estimator.observe(Transfer(at_s=at_s, up_bytes=up_bytes, down_bytes=0, network_s=network_s))


def ask_for(
    seconds: int, clock: FakeClock, estimator: LinkEstimator, questions: Questions, link: Link = LTE
) -> list[int | None]:
    """What is asked by a device that asks each second if it may, and sends nothing else."""
    asked = []
    heard_s = clock()
    for _ in range(seconds):
        padding_bytes = questions.next(estimator.estimate(clock()), heard_s=heard_s)
        if padding_bytes is not None:
            saw(estimator, link, 600 + padding_bytes, clock() + 0.1)
            questions.answered(estimator.estimate(clock() + 0.1))
            heard_s = clock() + 0.1
        asked.append(padding_bytes)
        clock.advance(1.0)
    return asked


def test_the_round_trip_is_asked_for_first_and_the_uplink_next() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    asked = ask_for(3, clock, estimator, Questions(clock))
    assert asked[0] == 0
    assert asked[1]
    assert estimator.estimate(clock()).uplink_observed


def test_a_device_whose_requests_vary_asks_for_the_round_trip_alone_and_seldom() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    questions = Questions(clock)
    asked = []
    for number in range(300):
        saw(estimator, LTE, (36_000, 170_000)[number % 2], clock())
        asked.append(questions.next(estimator.estimate(clock()), heard_s=clock()))
        if asked[-1] == 0:
            saw(estimator, LTE, 600, clock() + 0.05)
        clock.advance(0.1)
    assert not any(asked)
    assert asked.count(0) <= 300 * 0.1 / 5.0 + 1


def test_one_size_that_repeats_is_told_apart_by_a_question() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    questions = Questions(clock)
    for _ in range(50):
        saw(estimator, LTE, 36_000, clock())
        if questions.next(estimator.estimate(clock()), heard_s=clock()) is not None:
            saw(estimator, LTE, 600, clock() + 0.05)
        clock.advance(0.1)
    estimate = estimator.estimate(clock())
    assert estimate.rtt_observed
    assert estimate.uplink_observed


def test_padding_that_teaches_nothing_is_sent_less_and_less_and_again_when_the_link_moves() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    questions = Questions(clock)
    first = [asked for asked in ask_for(60, clock, estimator, questions) if asked]
    calm = [asked for asked in ask_for(240, clock, estimator, questions) if asked]
    assert len(first) <= 20
    assert len(calm) <= 4 * 20
    assert len(calm) / 240 < len(first) / 60
    slow = Link(uplink_bytes_per_s=LTE.uplink_bytes_per_s / 8, downlink_bytes_per_s=1e6, rtt_s=LTE.rtt_s)
    ask_for(30, clock, estimator, questions, slow)
    assert estimator.estimate(clock()).link.uplink_bytes_per_s < LTE.uplink_bytes_per_s / 4


def test_questions_take_no_more_than_a_fiftieth_of_the_links_time() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    asked = ask_for(120, clock, estimator, Questions(clock))
    busy_s = sum((600 + padding) / LTE.uplink_bytes_per_s for padding in asked if padding is not None)
    assert busy_s <= 0.02 * 120 * 1.1


def test_a_silent_device_asks_for_the_load_about_every_second() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    asked = ask_for(30, clock, estimator, Questions(clock))
    assert sum(it is not None for it in asked) >= 14


def test_questions_for_costs_are_within_the_same_budget() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    slow = Link(uplink_bytes_per_s=5e3, downlink_bytes_per_s=5e3, rtt_s=0.3)
    questions = Questions(clock)
    for _ in range(10):
        clock.advance(1.0)
        saw(estimator, slow, 5000, clock())
        saw(estimator, slow, 500, clock())
    asked = 0
    for _ in range(590):
        clock.advance(0.1)
        asked += questions.spare(estimator.estimate(clock()))
    assert 1 <= asked <= 0.02 * 60.0 / (1024 / 5e3) + 1


def test_a_round_trip_that_a_small_question_cannot_tell_from_the_rate_is_told_by_padding() -> None:
    clock, estimator = FakeClock(), LinkEstimator(Link(uplink_bytes_per_s=9e4, downlink_bytes_per_s=2e5, rtt_s=5e-4))
    fast = Link(uplink_bytes_per_s=2e6, downlink_bytes_per_s=4e6, rtt_s=0.0055)
    for number in range(20):  # as long as 600 bytes would take at the rate that is believed
        saw(estimator, fast, 600, clock() + number)
    clock.advance(20.0)
    assert not estimator.estimate(clock()).rtt_observed
    assert any(ask_for(10, clock, estimator, Questions(clock), fast))
    assert estimator.estimate(clock()).link.uplink_bytes_per_s > 1e6


def test_out_of_a_tunnel_it_asks_within_ten_seconds_and_on_at_once_until_the_link_is_known() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    questions, tunnel = Questions(clock), Link(uplink_bytes_per_s=2e3, downlink_bytes_per_s=4e3, rtt_s=0.5)
    ask_for(20, clock, estimator, questions, tunnel)  # which takes the whole budget
    assert estimator.estimate(clock()).link.uplink_bytes_per_s < 1e4
    heard_s = clock()
    while (padding_bytes := questions.next(estimator.estimate(clock()), heard_s=heard_s)) is None:
        clock.advance(0.5)
    assert clock() - heard_s <= 10.0
    while padding_bytes is not None:
        clock.advance(LTE.rtt_s + (600 + padding_bytes) / LTE.uplink_bytes_per_s)
        saw(estimator, LTE, 600 + padding_bytes, clock())
        questions.answered(estimator.estimate(clock()))
        padding_bytes = questions.follow_up(estimator.estimate(clock()))
    assert clock() - heard_s <= 11.0
    assert estimator.estimate(clock()).link.uplink_bytes_per_s > LTE.uplink_bytes_per_s / 2


def test_what_was_expected_is_not_followed_up() -> None:
    clock, estimator = FakeClock(), LinkEstimator()
    questions = Questions(clock)
    ask_for(60, clock, estimator, questions)
    followed = 0
    for _ in range(60):
        clock.advance(1.0)
        if (padding_bytes := questions.next(estimator.estimate(clock()), heard_s=clock() - 2.0)) is not None:
            saw(estimator, LTE, 600 + padding_bytes, clock())
            questions.answered(estimator.estimate(clock()))
            followed += questions.follow_up(estimator.estimate(clock())) is not None
    assert followed == 0
