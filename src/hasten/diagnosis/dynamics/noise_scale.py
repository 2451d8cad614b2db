"""The gradient noise scale over time, from the angle between the gradients of consecutive steps."""

from hasten.base.records.dynamics import Dynamics, Series
from hasten.diagnosis.dynamics.judging import known, mean

_WINDOW = 4  # samples on each side
_FEWEST = 5
_SMALLEST = 0.02
"""Cosine below which the scale is more than 50 batches and cannot be told from infinity."""


def running_mean(series: Series) -> Series:
    """Return the mean of the samples around each one; None where fewer than five of nine are known."""
    windows = [known(series[max(0, at - _WINDOW) : at + _WINDOW + 1]) for at in range(len(series))]
    return tuple(mean(window) if len(window) >= _FEWEST else None for window in windows)


def noise_scales(dynamics: Dynamics) -> Series:
    """Return the noise scale at each sample, in training samples; None where it cannot be told.

    Gradients of two batches of b samples with a noise scale of B have a cosine of 1 / (1 + B / b) at the mean.
    Consecutive steps stand for two batches of one step: where updates are large, B seems larger than it is.

    Source: McCandlish et al. 2018, arXiv 1812.06162.
    """
    if dynamics.batch_rows is None:
        return (None,) * len(dynamics.samples)
    rows = dynamics.batch_rows * dynamics.passes
    return tuple(
        None if value is None or value < _SMALLEST else rows * (1 / min(value, 1.0) - 1)
        for value in running_mean(dynamics.gradient_cosines)
    )
