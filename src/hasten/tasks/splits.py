"""What to train on, what to validate on and what to leave alone, where a source may itself be cut into parts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hasten.data.sources.parts import Part, part_of
from hasten.data.split import held_out_by_class

Ids = NDArray[np.int64]


def learning_parts(splits: Mapping[str, Ids], labels: Ids, valid_share: float) -> tuple[Ids, Ids]:
    """Return the ids to train on and those to validate on.

    Where the source has no part for validation, it is cut from the training part, each class with its share. A part for
    testing is not read: tuning must not see the data of the final test. A source without a part for training is taken
    as a whole.

    Args:
        splits: the ids of each part that the source gives, by name.
        labels: (n,) the class of each sample of the source.
        valid_share: what to cut off for validation.

    Raises:
        BadInput: if a class has too few samples to be cut in two.
    """
    train, valid = _ids(splits, "train"), _ids(splits, "valid")
    if train is not None and valid is not None:
        return train, valid
    ids = np.arange(len(labels)) if train is None else train
    first, second = held_out_by_class(labels[ids], valid_share, seed=0)
    return ids[first], ids[second]


def _ids(splits: Mapping[str, Ids], part: Part) -> Ids | None:
    found = [ids for name, ids in splits.items() if part_of(name) == part]
    return np.sort(np.concatenate(found)) if found else None
