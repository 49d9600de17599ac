"""Against the authors' own layer times: our machines layer by layer, and the paper's numbers without them.

Nothing here is a figure of the paper, whose authors filed what they had measured with another project of theirs; so it
is asked for by name. Input: the set-up. Output: how far our machines are off, how well they choose, and the means,
maxima and throughput by the measured times. What differs between those and ours is our machines' doing; what is left to
the paper's numbers is not.
"""

from partway.studies.findings import StudyResult
from partway.studies.layer_ratios import kind_table, network_table, queued_words, ratio_chart, ratio_findings
from partway.studies.layer_times import filed_networks, layer_times
from partway.studies.measured_gains import (
    choice_findings,
    cut_table,
    gain_chart,
    gain_findings,
    read_all,
    reading_table,
)
from partway.studies.setup import Setup
from partway.studies.study import Study


def run(setup: Setup) -> StudyResult:
    """Layers first, then the 48 configurations."""
    reads = read_all(setup)
    return StudyResult(
        findings=(*ratio_findings(setup), *choice_findings(reads), *gain_findings(reads)),
        tables=(network_table(setup), kind_table(setup), reading_table(reads), cut_table(setup, reads)),
        charts=(ratio_chart(setup), gain_chart(setup, reads)),
        assumptions=(_source(), *_matched(), queued_words(setup), *_readings()),
    )


STUDY = Study(figures=(), name="layers", title="Against the authors' own layer times", short="measured layers", run=run)


def _source() -> str:
    times = layer_times()
    files = "; ".join(f"{file.path} at {file.commit[:7]}" for file in times.files)
    return f"Measured times are from {times.repository}, {times.folder}: {files}."


def _matched() -> tuple[str, ...]:
    filed = filed_networks().values()
    return tuple(
        f"{each.network.application}: {each.times.matched}" for each in filed if "differs" not in each.times.matched
    )


def _readings() -> tuple[str, ...]:
    rates = ", ".join(f"{8e-6 * each.uplink_bytes_per_s:.4g}" for each in layer_times().uplinks)
    return (
        "As filed: the files' seconds on the paper's links, images as bytes, results sent, 100 digits. Waits spread: "
        "the same, with each GPU's wait spread over the layers that it is for, in the proportions of our machines; 10 "
        "digits and no result: as filed, but for that.",
        f"Their program: what its authors' own computes as measured: as filed, with every input as float32, uplinks of "
        f"{rates} Mbit/s, and watts of each network. Its sweep names dig, the file of 100 digits.",
    )
