"""Models and inputs in, proof that every cut answers as the whole model does out."""

from partway.verification.check import CheckReport, CutCheck, check_model, run_cut
from partway.verification.tolerance import Difference, Tolerance, difference, tolerance_of

__all__ = [
    "CheckReport",
    "CutCheck",
    "Difference",
    "Tolerance",
    "check_model",
    "difference",
    "run_cut",
    "tolerance_of",
]
