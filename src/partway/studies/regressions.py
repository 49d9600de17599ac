"""How far the paper's regressions are from the optimum when the samples that they were fitted to are noisy.

    random layers ─> their seconds on each machine, with noise ─> a regression a kind ─> 48 cuts ─> what these take

Input: the set-up and its seed. Output: the share of the optimal speed-up that is reached and how many of the 48 cuts
are optimal, by noise and by how many layers were timed; with the noise at which they equal the paper's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from partway.prediction.layers import LayerPredictor, fit_layers, noisy_seconds, sample_layers
from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Level, Lines, LineSeries, Table, format_value
from partway.studies import paper
from partway.studies.choosing import believed, choose_energy, choose_latency
from partway.studies.findings import Claim, Finding, StudyResult, compare
from partway.studies.setup import Configuration, Setup
from partway.studies.study import Study
from partway.zoo import Layer

NOISES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
"""Standard deviations of the logarithm of what a sample takes."""

SAMPLES, DRAWS = (10, 100), 5
"""Layers of each kind that are timed, and how often all is drawn anew."""

_SERVER = "server"
_CONFIGURATIONS = 48.0

Fit = Callable[[Sequence[Layer], FloatArray], LayerPredictor]
Read = Callable[["Sweep"], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """What is reached, float64 (noises, draws) each.

    Attributes:
        noises: of the samples.
        share: of the optimal speed-up, mean over the configurations.
        optimal: how many of the cuts for latency are.
        optimal_energy: how many of those for energy.
    """

    noises: tuple[float, ...]
    share: FloatArray = field(repr=False)
    optimal: FloatArray = field(repr=False)
    optimal_energy: FloatArray = field(repr=False)


def run(setup: Setup) -> StudyResult:
    """All noises, with few and with many samples."""
    sweeps = {f"{samples} of each kind": sweep(setup, samples=samples) for samples in SAMPLES}
    return StudyResult(
        findings=(
            _finding(paper.OF_OPTIMAL_GAIN, sweeps, lambda found: found.share),
            _finding(paper.OPTIMAL_CUTS, sweeps, lambda found: found.optimal),
            _finding(paper.OPTIMAL_ENERGY_CUTS, sweeps, lambda found: found.optimal_energy),
        ),
        tables=(_table(sweeps),),
        charts=(_chart(sweeps),),
        assumptions=(
            f"{' or '.join(map(str, SAMPLES))} layers of each kind are timed once on each machine, their sizes drawn "
            f"evenly over their logarithms; everything is drawn {DRAWS} times. The paper does not say what it "
            "profiled.",
            "Noise multiplies each sample, log-normal; joules are known watts times believed seconds.",
            f"Ours is with {SAMPLES[-1]} layers of each kind and no noise, spanned over noise up to {NOISES[-1]:g}: "
            "what is missing without noise is missed by the form of the regressions.",
            "A cut counts as optimal where no other takes less.",
        ),
    )


STUDY = Study(
    figures=(10, 11, 12), title="What the paper's regressions reach of the optimum", short="regressions", run=run
)


def sweep(
    setup: Setup,
    *,
    samples: int,
    noises: Sequence[float] = NOISES,
    draws: int = DRAWS,
    fit: Fit = fit_layers,
) -> Sweep:
    """What is reached by noise; the same layers and the same chances at each noise.

    Args:
        setup: the configurations, and the seed.
        samples: of each kind of layer.
        noises: each at least 0.
        draws: at least 1.
        fit: makes a predictor from samples.
    """
    configurations = tuple(setup.configurations())
    reached = np.zeros((3, len(noises), draws))
    for draw in range(draws):
        layers = sample_layers(samples, np.random.default_rng((setup.seed, 10, draw)))
        for place, noise in enumerate(noises):
            chance = np.random.default_rng((setup.seed, 11, draw))
            machines = {device.name: device.machine for device in setup.devices} | {_SERVER: setup.server}
            predictors = {
                name: fit(layers, noisy_seconds(machine, layers, noise, chance)) for name, machine in machines.items()
            }
            reached[:, place, draw] = _reached(configurations, predictors)
    return Sweep(noises=tuple(noises), share=reached[0], optimal=reached[1], optimal_energy=reached[2])


def _reached(
    configurations: Sequence[Configuration], predictors: Mapping[str, LayerPredictor]
) -> tuple[float, float, float]:
    shares, optimal, optimal_energy = [], 0, 0
    known: dict[tuple[str, str], FloatArray] = {}
    for item in configurations:
        for side in (item.device.name, _SERVER):
            if (item.network, side) not in known:
                known[item.network, side] = predictors[side].layers_s(item.table.network.layers)
        table = believed(item.table, known[item.network, item.device.name], known[item.network, _SERVER])
        latency = choose_latency(item, table)
        shares.append(latency.share)
        optimal += latency.optimal
        optimal_energy += choose_energy(item, table).optimal
    return float(np.mean(shares)), optimal, optimal_energy


def crossing(noises: Sequence[float], values: FloatArray, target: float) -> float | None:
    """The least noise at which a mean has fallen to a target, by straight lines between the noises; None if at none.

    Args:
        noises: ascending from 0.
        values: the mean at each.
        target: to fall to; 0 is told where it is not reached even without noise.
    """
    if values[0] <= target:
        return 0.0
    for place in range(1, len(noises)):
        if values[place] <= target:
            part = (values[place - 1] - target) / (values[place - 1] - values[place])
            return float(noises[place - 1] + part * (noises[place] - noises[place - 1]))
    return None


def _finding(claim: Claim, sweeps: Mapping[str, Sweep], read: Read) -> Finding:
    means = {name: read(found).mean(axis=1) for name, found in sweeps.items()}
    target, own = float(claim.value), next(reversed(means.values()))
    told = []
    for name, values in means.items():
        at = crossing(NOISES, values, target)
        start = format_value(float(values[0]), _unit(claim))
        if at is None:
            told.append(f"with {name} it never falls to the paper's")
        elif values[0] < target:
            told.append(f"with {name} it is below the paper's without any noise, {start}")
        else:
            each = _by_draw(read(sweeps[name]), target)
            told.append(f"with {name} its mean equals the paper's at a noise of {at:.2g}, single draws at {each}")
    return compare(
        claim, float(own[0]), kind="sensitivity", note="; ".join(told), span=(float(own.min()), float(own.max()))
    )


def _by_draw(values: FloatArray, target: float) -> str:
    """Between which noises single draws fall to a target, in words: a curve so flat does not place it well."""
    found = [crossing(NOISES, values[:, draw], target) for draw in range(values.shape[1])]
    reached = [noise for noise in found if noise is not None]
    if not reached:
        return f"none up to {NOISES[-1]:g}"
    most = f"{max(reached):.2g}" if len(reached) == len(found) else f"more than {NOISES[-1]:g}"
    return f"{min(reached):.2g} to {most}"


def _table(sweeps: Mapping[str, Sweep]) -> Table:
    def cells(found: Sweep, place: int) -> tuple[str, ...]:
        return (
            format_value(float(found.share[place].mean()), "share"),
            f"{found.optimal[place].mean():.1f}",
            f"{found.optimal_energy[place].mean():.1f}",
        )

    columns = ("share of the optimal", "optimal cuts", "for energy")
    return Table(
        title="Reached by noise of the samples, of 48 configurations",
        columns=("noise", *(f"{what}, {name}" for name in sweeps for what in columns)),
        rows=tuple(
            (f"{noise:g}", *(cell for found in sweeps.values() for cell in cells(found, place)))
            for place, noise in enumerate(NOISES)
        ),
    )


def _chart(sweeps: Mapping[str, Sweep]) -> Chart:
    """What is missed, not what is reached: that is nearly all."""

    def lines(title: str, claim: Claim, axis: str, whole: float, read: Read) -> Lines:
        return Lines(
            title=title,
            series=tuple(
                LineSeries(
                    name=name,
                    points=tuple(zip(found.noises, map(float, whole - read(found).mean(axis=1)), strict=True)),
                )
                for name, found in sweeps.items()
            ),
            x_unit="count",
            x_axis="noise of the samples: standard deviation of the logarithm",
            unit=_unit(claim),
            axis=axis,
            levels=(Level(name="the paper's", value=whole - float(claim.value)),),
        )

    cuts = "not optimal, of 48"
    return Chart(
        name="figure-10-regressions",
        title="What the paper's regressions miss, by the noise of their samples",
        panels=(
            lines("Speed-up", paper.OF_OPTIMAL_GAIN, "missed of the optimal", 1.0, lambda found: found.share),
            lines("Cuts for latency", paper.OPTIMAL_CUTS, cuts, _CONFIGURATIONS, lambda found: found.optimal),
            lines(
                "Cuts for energy", paper.OPTIMAL_ENERGY_CUTS, cuts, _CONFIGURATIONS, lambda found: found.optimal_energy
            ),
        ),
    )


def _unit(claim: Claim) -> Literal["share", "count"]:
    return "share" if claim.unit == "share" else "count"
