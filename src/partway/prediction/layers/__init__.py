"""Predictors of whole layers, as the paper and those before it had them: for studies, beside ours of kernels."""

from partway.prediction.layers.past_calls import PastCalls
from partway.prediction.layers.predictor import LayerPredictor
from partway.prediction.layers.regressions import LayerRegressions, fit_layers
from partway.prediction.layers.sampling import noisy_seconds, sample_layers

__all__ = ["LayerPredictor", "LayerRegressions", "PastCalls", "fit_layers", "noisy_seconds", "sample_layers"]
