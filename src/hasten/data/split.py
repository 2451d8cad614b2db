"""Which samples to hold back for validation: a pure function of the seed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.seeds import derive

Ids = NDArray[np.int64]


def held_out(num_samples: int, share: float, *, seed: int) -> tuple[Ids, Ids]:
    """Divide 0 ... num_samples - 1 at random into training and validation samples.

    Args:
        num_samples: how many samples there are.
        share: of those that are held back for validation; at least one is.
        seed: of the random order.

    Returns:
        two ascending arrays of ids that together hold each id once.

    Raises:
        BadInput: if there are fewer than two samples, or the share is not between 0 and 1.
    """
    return _divided(np.arange(num_samples), share, derive(seed, "split"), "the data set")


def held_out_by_class(labels: NDArray[Any], share: float, *, seed: int) -> tuple[Ids, Ids]:
    """Divide samples into training and validation samples such that each class is divided in the same way.

    Args:
        labels: (num_samples,) the class of each sample, of any type that can be sorted.
        share: of each class that is held back for validation; at least one sample is.
        seed: of the random order.

    Raises:
        BadInput: as `held_out`, for each class.
    """
    names, codes = np.unique(labels, return_inverse=True)
    parts = [
        _divided(np.flatnonzero(codes == code), share, derive(seed, "stratified", code), f"class {name!s}")
        for code, name in enumerate(names)
    ]
    train, valid = (np.sort(np.concatenate(ids)) for ids in zip(*parts, strict=True))
    return train, valid


def _divided(ids: Ids, share: float, seed: int, what: str) -> tuple[Ids, Ids]:
    from sklearn.model_selection import train_test_split  # a second of import that other tasks need not pay

    if not 0 < share < 1:
        raise BadInput(f"the share of validation samples must be between 0 and 1; found {share}.")
    if len(ids) < 2:
        raise BadInput(
            f"training and validation need at least 2 samples in {what}; found {len(ids)}. "
            "Add samples, or give validation data of your own."
        )
    size = min(max(1, round(share * len(ids))), len(ids) - 1)
    train, valid = train_test_split(ids, test_size=size, random_state=seed % 2**32)
    return np.sort(train), np.sort(valid)
