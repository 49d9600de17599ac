"""Records that were never measured, for tests that only keep or read them."""

from partway.graph import Kernel, Operand
from partway.profiling.machine import Machine
from partway.profiling.samples import Refusal, Runs, Sample, SamplesHeader

MACHINE = Machine(
    board=None,
    processor="Pencil",
    architecture="paper",
    instructions=("fma",),
    virtual=False,
    logical_cores=2,
    physical_cores=2,
    usable_cores=2,
    quota_cores=None,
    core_groups=(),
    caches=(),
    memory_bytes=None,
    memory_limit_bytes=None,
)
HEADER = SamplesHeader(
    seed=0, machine=MACHINE, runtime="none 1", providers=("CPUExecutionProvider",), threads=(1,), meter=None
)
KERNEL = Kernel(
    op_type="Gemm",
    inputs=(Operand("float32", (2, 3)), Operand("float32", (3, 4), 1), None),
    outputs=(Operand("float32", (2, 4)), Operand("unknown", None)),
    attributes={"alpha": 1.0, "transB": 0, "activation": "Relu", "scales": (1.0, 0.5), "pads": (0, 1)},
)


def runs(busy_share: float = 1.0, spread: float = 0.0) -> Runs:
    return Runs(total_s=2e-3, kernels_s=(1.5e-3, None), runs=40, spread=spread, busy_share=busy_share, energy_j=None)


def sample(index: int, *, focus: str = "", busy_share: float = 1.0, spread: float = 0.0) -> Sample:
    return Sample(
        index=index,
        threads=1,
        focus=focus,
        kernels=(KERNEL, KERNEL),
        weight_bytes=48,
        activation_bytes=56,
        warm=runs(busy_share, spread),
        cold=runs(),
    )


def refusal(index: int, reason: str = "no kernel for Fly") -> Refusal:
    return Refusal(index=index, threads=1, focus="fly", reason=reason)
