from pathlib import Path

import pytest
from benchmarks.overhead import Result, neg_model, sends_inputs, verdicts

THREE = (1e-3, 1e-3, 1e-3)


def result(overhead: float, session_overhead: float, offloaded: float) -> Result:
    return Result(
        size_bytes=4096,
        rounds=1,
        transport_s=THREE,
        session_s=THREE,
        echo_s=THREE,
        runtime_s=THREE,
        overhead=overhead,
        spread=(1.0, 1.0),
        session_overhead=session_overhead,
        session_spread=(1.0, 1.0),
        offloaded=offloaded,
    )


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        (result(1.4, 3.0, 1.0), []),
        (result(1.6, 3.0, 1.0), ["transport, 4.1 kB"]),
        (result(1.4, 0.1, 0.0), ["the session sent its inputs"]),
    ],
)
def test_the_mark_is_on_the_transport_and_a_session_that_computed_alone_shows_nothing(
    found: Result, missed: list[str]
) -> None:
    assert [what for what, _, held in verdicts([found]) if not held] == missed


def test_the_plan_keeps_the_inputs_and_the_device_alone(tmp_path: Path) -> None:
    plan = sends_inputs(neg_model(4096, tmp_path))
    assert [(plan.costs[row].crossing, plan.costs[row].codec) for row in plan.choices] == [(("x",), "raw"), ((), "raw")]
