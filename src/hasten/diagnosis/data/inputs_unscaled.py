"""E8: the first layer gets numbers far from 1.

Signal: root mean square of what a first trained layer gets after all preparation, and of each column of a table; mean
    and standard deviation of all numbers. Samples that the loss is multiplied with 0 for do not count.
Threshold: 20 and more, or below 0.01 where the numbers are not 0; a mean of 2.5 standard deviations with a root mean
    square of 2 and more; a number that is 30 and more, and 15 standard deviations, from the mean; rows of a table with
    a mean of 0 and a standard deviation of 1 each, and nine tenths of the variance between the columns. A normalization
    as the first layer makes it harmless.
Why: activations, gradients and the best learning rate grow with the inputs; large columns drown the others.
Example: images as 0 to 255; a table with income in dollars beside age in years.
Wrong when: the first layer's weights are scaled to match, as in some pretrained networks.
Source: LeCun et al. 1998, Efficient BackProp, 4.3; UMLAUT (inputs within -1 to 1); SageMaker Debugger. 20 is above
digits of 0 to 16 and standardized columns with outliers, both of which train well.
"""

from hasten.base.records.data_facts import Entry, Part
from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import wrong
from hasten.diagnosis.rule import Outcome

LARGE, SMALL = 20.0, 0.01
OFF_CENTER, OFF_SIZE = 2.5, 2.0
OUTLIER, OUTLIER_SIZE = 15.0, 30.0
ROWS = 0.9
_CONSEQUENCES = (
    "initial_loss_off",
    "exploding_gradient",
    "update_too_large",
    "layer_imbalance",
    "dead_units",
    "saturated",
    "vanishing_gradient",
    "gradient_zero",
    "update_too_small",
    "poor_init",
    "not_learning",
    "plateau",
    "slow_convergence",
    "loss_oscillates",
    "loss_spikes",
    "diverging",
    "nonfinite",
    "gradient_scale",
    "direction_zigzag",
)


def find(health: Health) -> Outcome:
    """Fire where inputs are far larger or smaller than 1."""
    if health.data is None or not health.data.entries:
        return Abstained(symptom="inputs_unscaled", reason="no layer was seen that numbers enter")
    share = _between_columns(health.data.training)
    if share is not None and share >= ROWS:
        return wrong(
            "inputs_unscaled",
            f"Each row is standardized by itself, so that {share:.0%} of the variance is between the columns: "
            "they tell samples apart no more.",
            value=share,
            threshold=ROWS,
            advice="standardize columns: X.mean(axis=0), X.std(axis=0) of the training data",
            check=health.command,
            severity=Severity.WARNING,
            explains=(*_CONSEQUENCES, "targets_shuffled"),
        )
    for entry in health.data.entries:
        if entry.layer == "norm" or not entry.values.numbers:
            continue
        if (outlier := _outlier(entry)) is not None:
            return wrong(
                "inputs_unscaled",
                f"The inputs have outliers: {entry.values.low:.4g} to {entry.values.high:.4g}, up to {outlier:.0f} "
                "standard deviations.",
                value=outlier,
                threshold=OUTLIER,
                advice="look at these samples: repair, leave out or clamp them; take the logarithm of long tails",
                check=health.command,
                where=f"first {entry.layer} layer",
                severity=Severity.WARNING,
                explains=(*_CONSEQUENCES, "validation_differs"),
                cause="outliers",
            )
        size = max(entry.values.size, entry.largest)
        if size >= LARGE or (0 < entry.values.size < SMALL and entry.values.zeros < 1):
            return wrong(
                "inputs_unscaled",
                _sentence(entry, size),
                value=size,
                threshold=LARGE if size >= LARGE else SMALL,
                advice=_advice(entry, size),
                check=health.command,
                where=f"first {entry.layer} layer",
                severity=Severity.WARNING,
                explains=_CONSEQUENCES,
            )
        if (shift := _off_center(entry)) is not None:
            values = entry.values
            return wrong(
                "inputs_unscaled",
                f"The inputs are not centered: mean {values.mean:.3g}, standard deviation {values.std:.2g}.",
                value=shift,
                threshold=OFF_CENTER,
                advice="subtract the mean of the training data, of each column of a table",
                check=health.command,
                where=f"first {entry.layer} layer",
                severity=Severity.WARNING,
                explains=_CONSEQUENCES,
            )
    return None


def _between_columns(training: Part | None) -> float | None:
    """Return the share of the variance that is between the columns of a table whose rows are standardized."""
    if training is None or not training.rows_standardized or training.smooth or len(training.channels) < 3:
        return None
    center = sum(training.channels) / len(training.channels)
    between = sum((one - center) ** 2 for one in training.channels)
    within = sum(one * one for one in training.spreads)
    return between / (between + within) if between + within > 0 else None


def _outlier(entry: Entry) -> float | None:
    """Return how many standard deviations a number is away from the mean at most, where that is too many."""
    values = entry.values
    farthest = max(values.mean - values.low, values.high - values.mean)
    if farthest < OUTLIER_SIZE or not values.std:
        return None
    return farthest / values.std if farthest >= OUTLIER * values.std else None


def _off_center(entry: Entry) -> float | None:
    """Return how many standard deviations the mean is away from 0, where that is too many."""
    values = entry.values
    if values.size < OFF_SIZE or not values.std:
        return None
    shift = abs(values.mean) / values.std
    return shift if shift >= OFF_CENTER else None


def _sentence(entry: Entry, size: float) -> str:
    low, high = entry.values.low, entry.values.high
    if size < LARGE:
        return f"The inputs are tiny: {low:.3g} to {high:.3g}, root mean square {size:.2g} instead of about 1."
    if entry.columns and entry.smallest and entry.largest > 10 * entry.smallest:
        return f"The columns have sizes from {entry.smallest:.2g} to {entry.largest:.3g}; they should be about 1."
    return f"The inputs are not scaled: {low:.4g} to {high:.4g}, root mean square {size:.3g} instead of about 1."


def _advice(entry: Entry, size: float) -> str:
    if entry.values.low >= 0 and 200 < entry.values.high <= 255 and not entry.columns:
        return "x = x.float() / 255, then subtract the mean and divide by the standard deviation"
    if size < LARGE:
        return "scale once only: look for a second division by 255 or by the standard deviation"
    return "standardize each column with the mean and standard deviation of the training data"
