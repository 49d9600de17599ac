"""What tests of studies share: the finding of a claim, from a study that is run once for each set-up."""

from partway.studies import Finding, Setup, Study, StudyResult
from partway.studies.findings import Claim

_RESULTS: dict[tuple[str, int], tuple[Setup, StudyResult]] = {}  # with the set-up, which keeps its id its own


def result_of(study: Study, setup: Setup) -> StudyResult:
    """What a study gives."""
    key = study.title, id(setup)
    if key not in _RESULTS:
        _RESULTS[key] = setup, study.run(setup)
    return _RESULTS[key][1]


def finding_of(study: Study, setup: Setup, claim: Claim) -> Finding:
    """What a study gives beside a claim of the paper's."""
    (found,) = (item for item in result_of(study, setup).findings if item.quantity == claim.quantity)
    return found
