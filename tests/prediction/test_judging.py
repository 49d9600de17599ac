"""How far off a fit is on what it has not seen, and what that asks for."""

import msgspec
import pytest
from tests.prediction.known_machine import measured
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import MACHINE

from partway.prediction.features import features_of
from partway.prediction.judging import Judgement, judge, needs_of_blocks

GOOD = Judgement(graphs=200, median_error=0.03, ninetieth_error=0.15, within_one_spread=0.7, variants={})


def judged(noise: float) -> Judgement:
    found = judge(measured(zoo_graphs(), noise=noise), threads=1, machine=MACHINE)
    assert found is not None
    return found


def test_every_fifth_graph_is_held_out_and_noise_makes_the_judgement_worse() -> None:
    exact, noisy = judged(0.0), judged(1.0)
    assert exact.graphs == noisy.graphs == -(-len(zoo_graphs()) // 5)
    assert exact.median_error < 0.02
    assert exact.median_error <= exact.ninetieth_error
    assert exact.median_error < noisy.median_error
    assert 0.0 <= exact.within_one_spread <= 1.0
    both = exact.variants.keys() & noisy.variants.keys()
    assert both
    assert sum(exact.variants[name] for name in both) < sum(noisy.variants[name] for name in both)


def test_a_graph_that_cannot_be_held_out_or_fitted_is_no_judgement() -> None:
    assert judge((), threads=1, machine=MACHINE) is None
    assert judge(measured(zoo_graphs(1)), threads=1, machine=MACHINE) is None
    assert judge(measured(zoo_graphs(20)), threads=4, machine=MACHINE) is None


@pytest.mark.parametrize(("field", "worse"), [("graphs", 199), ("median_error", 0.031), ("ninetieth_error", 0.16)])
def test_good_is_precise_on_enough_graphs(field: str, worse: float) -> None:
    assert GOOD.good
    assert not msgspec.structs.replace(GOOD, **{field: worse}).good


def test_blocks_whose_kernels_are_predicted_worst_need_most_and_heavy_ones_more() -> None:
    one, *others = measured(zoo_graphs(4))
    errors = {features_of(kernel).variant: 0.5 for kernel in one.kernels}
    samples = [
        msgspec.structs.replace(one, focus="worst"),
        msgspec.structs.replace(one, focus="conv.worst"),
        *(msgspec.structs.replace(other, focus="") for other in others),
    ]
    needs = needs_of_blocks(samples, msgspec.structs.replace(GOOD, variants=errors))
    known = needs_of_blocks(samples, GOOD)
    assert needs.keys() == {"worst", "conv.worst"}
    assert needs["conv.worst"] > needs["worst"] > known["worst"] > 0
