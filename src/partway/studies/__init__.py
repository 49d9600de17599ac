"""The paper's figures, made anew: set-up and numbers of the paper come in, findings beside them leave.

    hardware   machines and links          cut_costs  what every cut costs there      setup  all of it, 48 times
    paper      the paper's numbers         findings   what a study gives              study  what a study is

The other modules are one study each. Called by `partway reproduce`.
"""

from partway.studies import (
    against_maui,
    authors_layers,
    best_cuts,
    every_cut,
    layer_costs,
    regressions,
    server_load,
    speed_ups,
    status_quo,
    throughput,
    varying_link,
    with_planner,
)
from partway.studies.findings import Finding, StudyResult
from partway.studies.setup import Setup
from partway.studies.study import Study

STUDIES: tuple[Study, ...] = (
    status_quo.STUDY,
    layer_costs.STUDY,
    every_cut.STUDY,
    best_cuts.STUDY,
    speed_ups.STUDY,
    regressions.STUDY,
    with_planner.STUDY,
    against_maui.STUDY,
    varying_link.STUDY,
    server_load.STUDY,
    throughput.STUDY,
    authors_layers.STUDY,
)
"""In the order of the last of the paper's figures that they are about; some figures have several, and who is about none
comes last."""

__all__ = ["STUDIES", "Finding", "Setup", "Study", "StudyResult"]
