"""What tells layers' seconds: an analytic machine, regressions fitted to one, or a memory of past calls."""

from collections.abc import Sequence
from typing import Protocol

from partway.prediction.physical import FloatArray
from partway.zoo import Layer


class LayerPredictor(Protocol):
    """Anything that says what layers take on one machine."""

    def layers_s(self, layers: Sequence[Layer]) -> FloatArray:
        """Seconds of each layer, float64 (layers,), >= 0."""
