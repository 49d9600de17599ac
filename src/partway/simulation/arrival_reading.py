"""Arrivals as scenarios write them: a name, or a file.

In comes a table with a key `arrivals`; out come `Arrivals`. Called by `scenario_reading` and `fleet_reading`.
"""

from partway.simulation.arrivals import GOOGLE_SEARCH, Arrivals, Renewal, poisson, read_curve, read_timestamps
from partway.simulation.distributions import Constant, to_mean
from partway.simulation.scenario_tables import Table
from partway.simulation.scenario_values import choice, text


def read_arrivals(table: Table, rate_per_s: float) -> Arrivals:
    """Arrivals of a shape: a name, or the path of a cumulative curve or of timestamps; Poisson's where nothing is said.

    Args:
        table: with or without the key.
        rate_per_s: how many are to come, above 0.

    Raises:
        ScenarioError: no name, or no such file.
    """

    def read(value: object) -> Arrivals:
        name = text(value)
        if name.endswith(".cdf"):
            return Renewal(gaps=read_curve(table.folder / name))
        if name.endswith((".csv", ".txt")):
            return read_timestamps(table.folder / name)
        named = choice("poisson", "google-search", "even")(value)
        if named == "google-search":
            return Renewal(gaps=to_mean(GOOGLE_SEARCH, 1.0))
        return poisson(1.0) if named == "poisson" else Renewal(gaps=Constant(mean_s=1.0))

    usual: Arrivals = poisson(1.0)
    return table.may("arrivals", read, usual).at_rate(rate_per_s)
