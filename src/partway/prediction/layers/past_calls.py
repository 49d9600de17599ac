"""What MAUI expects of a layer: what layers of its kind took on the mean, whatever their sizes.

Input: layers that ran, and their seconds. Output: seconds of any others. Called by studies, as the baseline of the
paper's Fig. 13.

Source: Cuervo et al., MAUI, MobiSys 2010, which predicts a method by its past calls; read for layers as in the
comparison of Kang et al., Neurosurgeon, ASPLOS 2017, Fig. 13: a call is of a kind of layer, and blind to its sizes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.prediction.physical import FloatArray
from partway.zoo import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCalls:
    """The mean of past calls of each kind of layer; make it with `PastCalls.of`.

    Attributes:
        means_s: by kind.
    """

    means_s: Mapping[str, float]

    @classmethod
    def of(cls, layers: Sequence[Layer], seconds: Sequence[float] | FloatArray) -> "PastCalls":
        """What is remembered of calls.

        Args:
            layers: that were called. The paper does not say which: of the network that is to be split, whose total then
                comes out right, or of all that run on the device, where kinds of all sizes are one.
            seconds: that each took.
        """
        taken: dict[str, list[float]] = {}
        for layer, layer_s in zip(layers, seconds, strict=True):
            taken.setdefault(layer.kind, []).append(float(layer_s))
        return cls(means_s={kind: math.fsum(times_s) / len(times_s) for kind, times_s in taken.items()})

    def layers_s(self, layers: Sequence[Layer]) -> FloatArray:
        """Seconds of each layer, float64 (layers,).

        Raises:
            InputError: nothing of a layer's kind was ever called.
        """
        unknown = sorted({layer.kind for layer in layers} - self.means_s.keys())
        if unknown:
            raise InputError(f"no call of {', '.join(unknown)} is remembered; call layers of these kinds first")
        return np.array([self.means_s[layer.kind] for layer in layers], dtype=np.float64)
