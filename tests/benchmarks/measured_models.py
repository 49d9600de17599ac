"""Models that were never measured, and a prediction that is right about them or errs as told."""

import msgspec
from benchmarks.measured import MeasuredCut, MeasuredHeader, MeasuredModel, MeasuredPiece
from tests.profiling.records import MACHINE

from partway.graph import Kernel, Operand
from partway.prediction.paper import LayerFit, PaperFit, PaperPrediction
from partway.profiling.comparison import Twice

HEADER = MeasuredHeader(machine=MACHINE, runtime="none 1", threads=1, cuts=10)
ELEMENT_S = 1e-6


def kernel(elements: int, op_type: str = "Relu") -> Kernel:
    shape = (1, elements)
    return Kernel(op_type=op_type, inputs=(Operand("float32", shape),), outputs=(Operand("float32", shape),))


def chain(
    name: str = "light/resnet50",
    elements: tuple[int, ...] = (2000, 4000, 8000),
    up_bytes: tuple[int, ...] = (40_000, 4_000),
    *,
    second: float = 1.0,
    tail_factor: float = 1.0,
) -> MeasuredModel:
    """Kernels one after the other, each an element a microsecond, cut between any two.

    Args:
        name: of the model.
        elements: of each kernel.
        up_bytes: what crosses each cut.
        second: seconds in the second pass over those in the first.
        tail_factor: how many times longer tails take than their kernels say.
    """

    def piece(places: range, factor: float = 1.0) -> MeasuredPiece:
        seconds = factor * ELEMENT_S * sum(elements[place] for place in places)
        times = Twice(measured_s=seconds, repeated_s=second * seconds, busy_share=1.0)
        return MeasuredPiece(kernels=tuple(places), returned=(len(places) - 1,), times=times)

    count = len(elements)
    return MeasuredModel(
        model=name,
        macs=0,
        weight_bytes=0,
        input_bytes=600_000,
        output_bytes=4_000,
        optimised=True,
        kernels=tuple(kernel(size) for size in elements),
        kernels_s=tuple(ELEMENT_S * size for size in elements),
        whole=piece(range(count)),
        cuts=tuple(
            MeasuredCut(
                crossing=(f"t{place}",),
                depth=place,
                macs=0,
                up_bytes=up_bytes[place - 1],
                down_bytes=4_000,
                head=piece(range(place)),
                tail=piece(range(place, count), tail_factor),
            )
            for place in range(1, count)
        ),
        took_s=1.0,
    )


def repeated(model: MeasuredModel, factor: float, place: int) -> MeasuredModel:
    """The model whose cut at a place took so many times longer in its tail, in the second pass only."""
    cut = model.cuts[place]
    times = msgspec.structs.replace(cut.tail.times, repeated_s=factor * cut.tail.times.repeated_s)
    slower = msgspec.structs.replace(cut, tail=msgspec.structs.replace(cut.tail, times=times))
    return msgspec.structs.replace(model, cuts=(*model.cuts[:place], slower, *model.cuts[place + 1 :]))


def prediction(element_s: float = ELEMENT_S, constant_s: float = 0.0) -> PaperPrediction:
    """One that takes every kernel for so many seconds an element, and a constant."""
    fit = LayerFit(
        form="linear", slopes_s={"output": element_s}, constant_s=constant_s, samples=9, floored=0.0, spread=0.1
    )
    return PaperPrediction(PaperFit(variants={"any": fit}, run_s=0.0))
