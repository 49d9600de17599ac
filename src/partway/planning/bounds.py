"""How good a cut could be at best, among all cuts of a graph, where the objective is not linear.

A search finds the exact best of all cuts for any linear prices, and nothing else. Prices that charge for what is
limited turn a limit into such a search, whose answer no cut that keeps to the limit can beat; the best such prices give
the bound. Between the bound and the best cut that was found lies the gap that plans report.

    least energy within a deadline    max over mu >= 0 of  min over cuts of  energy + mu * (latency - deadline)
    least slowest stage               max over weights w   min over cuts of  w . stages, with w >= 0 that sum to 1

In comes an `Oracle`, which wraps a search (or a table of all cuts); out comes a `Bound`. Called by whoever makes plans
of graphs with branches.

Source: Lagrangian duality, Boyd and Vandenberghe, Convex Optimization, chapter 5; the search for mu, Handler and Zang,
Networks 10 (1980); cutting planes, Kelley, Journal of SIAM 8 (1960).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.planning.costs import Conditions, FloatArray, coefficients
from partway.planning.energy import PowerDraw, energy_coefficients

Oracle = Callable[[FloatArray], FloatArray]
"""Takes prices, float64 (6,), >= 0, and returns the terms, float64 (6,), of a cut whose terms cost least at them.

Prices and terms are of device_s, offloaded, up_bytes, server_s, down_bytes (the columns of `CostTable.terms`) and
device_j."""

_ROUNDS = 60
_CLOSE = 1e-6
_ROUNDING = 1e-12
# A cut that keeps to a limit by one order of additions misses it by another; a limit so much wider still bounds.
_SLACK = 1e-9
# A share of the weights that all stages get, so that no price of a search is 0.
_EVEN_SHARE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What no cut can beat.

    Attributes:
        value: in the objective's unit; infinite where no cut keeps to the limit.
        found: the best that a cut which came up on the way reaches within the limit; infinite where none does.
        searches: how often the oracle was asked.
    """

    value: float
    found: float
    searches: int

    def gap(self, reached: float) -> float:
        """By what share the best may be better than what was reached, >= 0; infinite where the bound says nothing.

        Args:
            reached: the objective's value at the cut that was chosen.
        """
        if reached <= self.value:
            return 0.0
        return reached / self.value - 1.0 if self.value > 0 else math.inf


def energy_bound(oracle: Oracle, conditions: Conditions, draw: PowerDraw, deadline_s: float) -> Bound:
    """The joules that every cut costs at least whose latency keeps to a deadline.

    Args:
        oracle: of all cuts.
        conditions: link, load and device.
        draw: what the device draws while it does not compute.
        deadline_s: most seconds of a request, > 0.

    Raises:
        InputError: the deadline is not above 0.
    """
    if not deadline_s > 0:
        raise InputError(f"the deadline is {deadline_s} s; it must be above 0")
    return _limited_bound(oracle, _energy_prices(conditions, draw), _latency_prices(conditions), deadline_s)


def _latency_prices(conditions: Conditions) -> FloatArray:
    return np.append(coefficients(conditions), 0.0)


def _energy_prices(conditions: Conditions, draw: PowerDraw) -> FloatArray:
    head, *others = energy_coefficients(conditions, draw)
    return np.array((0.0, *others, head))


def _limited_bound(oracle: Oracle, prices: FloatArray, limited: FloatArray, most: float) -> Bound:
    # The dual is concave and piecewise linear in mu, one line per cut. Of two cuts, one that keeps to the limit and one
    # that does not, the lines meet at the next mu to ask for; it ends where no cut lies below that point.
    most *= 1.0 + _SLACK

    def ask(at: FloatArray) -> tuple[float, float]:
        terms = oracle(at)
        return float(terms @ prices), float(terms @ limited) - most

    cheap, over = ask(prices)
    if over <= 0:
        return Bound(value=cheap, found=cheap, searches=1)
    dear, under = ask(limited)
    if under > 0:
        return Bound(value=math.inf, found=math.inf, searches=2)
    bound, found, searches = cheap, dear, 2
    while searches < _ROUNDS:
        searches += 1
        mu = max((dear - cheap) / (over - under), 0.0)
        met = dear + mu * under
        value, beyond = ask(prices + mu * limited)
        dual = value + mu * beyond
        bound = max(bound, dual)
        if dual >= met - _ROUNDING * abs(met):
            break
        if beyond > 0:
            cheap, over = value, beyond
        else:
            dear, under = value, beyond
            found = min(found, value)
    return Bound(value=bound, found=found, searches=searches)


def throughput_bound(oracle: Oracle, conditions: Conditions) -> Bound:
    """The seconds that the slowest stage of every cut takes at least, in a stream of inputs.

    Args:
        oracle: of all cuts.
        conditions: link, load and device; neither round trip nor queue counts.
    """
    device, _, uplink, server, downlink = coefficients(conditions)
    prices = np.zeros((4, 6))
    prices[range(4), (0, 2, 3, 4)] = device, uplink, server, downlink
    weights = np.full(4, 0.25)
    stages: list[FloatArray] = []
    bound, found = 0.0, math.inf
    for _ in range(_ROUNDS):
        stages.append(prices @ oracle(weights @ prices))
        bound = max(bound, float(weights @ stages[-1]))
        found = min(found, float(stages[-1].max()))
        best, possible = _balance(np.array(stages))
        if possible <= bound * (1.0 + _CLOSE):
            break
        weights = (1.0 - _EVEN_SHARE) * best + _EVEN_SHARE / 4
    return Bound(value=bound, found=found, searches=len(stages))


def _balance(stages: FloatArray) -> tuple[FloatArray, float]:
    """The weights of stages for which the least of the weighted sums is largest, and that sum.

    The value of a matrix game, as a linear program: the largest sum of y >= 0 with stages.T @ y <= 1. Its duals are
    the weights, up to scale. Solved by the simplex method with Bland's rule, under which it ends.

    Args:
        stages: seconds of each cut's stages, (cuts, 4), >= 0.
    """
    scale = float(stages.max(axis=1).min())
    if scale == 0.0:
        return np.full(4, 0.25), 0.0
    # Every entry above 0, so that no sum grows without bound; the shift leaves the weights as they are.
    shift = 1e-3
    payoff = stages.T / scale + shift
    cuts = payoff.shape[1]
    tableau = np.zeros((5, cuts + 5))
    tableau[:4, :cuts] = payoff
    tableau[:4, cuts : cuts + 4] = np.eye(4)
    tableau[:4, -1] = 1.0
    tableau[4, :cuts] = -1.0
    for _ in range(50 * cuts):
        entering = np.flatnonzero(tableau[4, :-1] < -_ROUNDING)
        if not len(entering):
            break
        column = int(entering[0])
        rising = tableau[:4, column] > _ROUNDING
        ratios = np.where(rising, tableau[:4, -1] / np.where(rising, tableau[:4, column], 1.0), np.inf)
        row = int(ratios.argmin())
        tableau[row] /= tableau[row, column]
        others = np.arange(5) != row
        tableau[others] -= np.outer(tableau[others, column], tableau[row])
    duals = np.maximum(tableau[4, cuts : cuts + 4], 0.0)
    weights: FloatArray = duals / duals.sum()
    return weights, scale * (1.0 / float(duals.sum()) - shift)
