"""From a samples file to a profile, and what a profiling session asks of the samples so far.

Input: the path of the samples, and the profile that was there before, if any. Output: a `Profile`. Called by `partway
profile`; needs scipy.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from partway.errors import InputError
from partway.prediction.energy import fit_power
from partway.prediction.fitting import fit_predictor
from partway.prediction.judging import judge, needs_of_blocks
from partway.prediction.profile import Profile, Sampling
from partway.profiling.samples import Refusal, Sample, read_header, read_samples

logger = logging.getLogger(__name__)


def fit_profile(samples: Path) -> Profile:
    """The profile that samples give; disturbed ones are left out, unless that leaves none.

    Args:
        samples: the file.

    Raises:
        DocumentError: the file cannot be read.
        InputError: it holds no samples, or scipy is missing.
    """
    header = read_header(samples)
    records = tuple(read_samples(samples))
    every = [record for record in records if isinstance(record, Sample)]
    kept = [sample for sample in every if not sample.disturbed] or every
    if not kept:
        raise InputError(f"{samples} holds no samples to fit to; measure some with `partway profile -o`")
    settings = sorted({sample.threads for sample in kept})
    return Profile(
        machine=header.machine,
        runtime=header.runtime,
        providers=header.providers,
        sampling=Sampling(
            seed=header.seed,
            graphs=len(every),
            kernels=sum(len(sample.kernels) for sample in every),
            refused=sum(isinstance(record, Refusal) for record in records),
            disturbed=len(every) - len(kept),
            held_out={
                str(threads): found
                for threads in settings
                if (found := judge(kept, threads=threads, machine=header.machine)) is not None
            },
        ),
        predictors=tuple(fit_predictor(kept, threads=threads, machine=header.machine) for threads in settings),
        powers=tuple(
            power
            for threads in settings
            if header.meter is not None and (power := fit_power(kept, threads=threads, meter=header.meter)) is not None
        ),
    )


@dataclass(slots=True)
class SamplesJudge:
    """Answers what a profiling session asks; one judgement serves both questions."""

    _judged: tuple[int, bool, Mapping[str, float]] = field(default=(0, False, {}))

    def good_enough(self, samples: Path) -> bool:
        """Whether predictors err so little on graphs that they have not seen that more are not worth their time."""
        return self._judge(samples)[1]

    def needs(self, samples: Path) -> Mapping[str, float]:
        """How much each block needs more samples."""
        return self._judge(samples)[2]

    def _judge(self, samples: Path) -> tuple[int, bool, Mapping[str, float]]:
        size_bytes = samples.stat().st_size
        if size_bytes != self._judged[0]:
            header = read_header(samples)
            kept = [item for item in read_samples(samples) if isinstance(item, Sample) and not item.disturbed]
            settings = [judge(kept, threads=threads, machine=header.machine) for threads in header.threads]
            found = [judgement for judgement in settings if judgement is not None]
            good = len(found) == len(settings) and all(judgement.good for judgement in found)
            needs: Mapping[str, float] = {}
            if found:
                worst = max(found, key=lambda judgement: judgement.median_error)
                needs = needs_of_blocks(kept, worst)
                logger.info("held_out graphs=%d median_error=%.4f good=%s", worst.graphs, worst.median_error, good)
            self._judged = (size_bytes, good, needs)
        return self._judged
