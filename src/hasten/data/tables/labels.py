"""Labels against what they belong to: as many as samples, each a class that exists."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput


def check_labels(labels: NDArray[Any], *, num_samples: int, num_classes: int, where: str) -> None:
    """Check that there is one label per sample and that each is in 0 ... num_classes - 1.

    Args:
        labels: (num_samples,) integers.
        num_samples: how many samples they belong to.
        num_classes: how many classes there are.
        where: what the labels come from, for the error message.

    Raises:
        BadInput: names the first row whose label does not fit.
    """
    if labels.shape != (num_samples,) or labels.dtype.kind not in "iu":
        raise BadInput(
            f"{where} must hold one whole number per sample, {num_samples} in all; found "
            f"{labels.dtype.name} of shape {labels.shape}. Check that labels and samples belong together."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        raise BadInput(
            f"{where} must hold labels from 0 to {num_classes - 1}; found {labels[wrong[0]]} in row {wrong[0]} "
            f"and {wrong.size} such rows in all. Correct the labels or raise the number of classes."
        )
