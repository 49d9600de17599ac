"""Samples in, a predictor of any model's kernels out."""
