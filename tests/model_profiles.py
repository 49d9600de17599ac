"""Profiles that know the kernels of some models: each takes the same, as sure as a test wants it."""

from pathlib import Path

import msgspec
from tests.prediction.profiles import predictor, profile

from partway.documents import write_document
from partway.engine import OrtRuntime, PieceStore
from partway.graph import Source, candidate_cuts, canonicalise
from partway.prediction.features import features_of
from partway.prediction.profile import Profile
from partway.profiling.machine import Machine, read_machine


def profile_of(
    *paths: Path, kernel_s: float = 1e-3, spread: float = 0.02, threads: int = 1, machine: Machine | None = None
) -> Profile:
    """A profile that knows the kernels of some models.

    Args:
        paths: the models, with static shapes.
        kernel_s: what each kernel takes.
        spread: how sure that is said to be.
        threads: within an operator; 0 for the runtime's default.
        machine: where it claims to come from; this one by default.
    """
    runtime = OrtRuntime(threads=threads or None)
    names: set[str] = set()
    for path in paths:
        source = Source.open(path)
        store = PieceStore(canonicalise(source, source.bind(), runtime), runtime)
        for _ in range(2):  # as its author left it, then optimised
            cuts = candidate_cuts(store.model)
            pieces = [piece for cut in cuts for piece in (cut.head, cut.tail) if piece is not None]
            names |= {features_of(kernel).variant for piece in pieces for kernel in store.kernels(piece).kernels}
            store.want_candidates()
            store.promote()
    same = predictor(dict.fromkeys(sorted(names), kernel_s), threads=threads)
    fits = {name: msgspec.structs.replace(fit, spread=spread) for name, fit in same.variants.items()}
    fitted = msgspec.structs.replace(same, variants=fits)
    return profile(fitted, machine=machine or read_machine(), runtime=runtime.version)


def stored(profile: Profile, folder: Path) -> Path:
    """The path of a profile, written to a folder."""
    path = folder / "profile.json"
    write_document(path, profile)
    return path
