"""Models and inputs in, proof that every cut answers as the whole model does out."""

from partway.verification.check import CheckReport, CutCheck, check_model, run_cut
from partway.verification.coding import CodedCheck, check_codecs, run_coded
from partway.verification.tolerance import Difference, Tolerance, difference, tolerance_of, tolerances_of
from partway.verification.trials import (
    CodecTrial,
    TensorTrial,
    coded_sizes,
    crossing_arrays,
    cut_trials,
    measure_codecs,
)

__all__ = [
    "CheckReport",
    "CodecTrial",
    "CodedCheck",
    "CutCheck",
    "Difference",
    "TensorTrial",
    "Tolerance",
    "check_codecs",
    "check_model",
    "coded_sizes",
    "crossing_arrays",
    "cut_trials",
    "difference",
    "measure_codecs",
    "run_coded",
    "run_cut",
    "tolerance_of",
    "tolerances_of",
]
