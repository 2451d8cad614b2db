"""One batched gather in place of one Python call per sample.

A shuffled batch of small samples costs the usual loader a Python call, an index and a stack per sample. One
`index_select` per column does the same with a memory copy per sample and is 10 to 40 times faster on small samples.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from hasten.data.datasets import Batch, Takeable


def why_not(dataset: Dataset[Any]) -> str | None:
    """Return why samples of `dataset` cannot be gathered in one operation, or None if they can."""
    if isinstance(dataset, (TensorDataset, Takeable)):
        return None
    if isinstance(dataset, Subset):
        return why_not(dataset.dataset)
    return f"a {type(dataset).__name__} hands out one sample at a time (no `take(ids)`, and not a TensorDataset)"


def take(dataset: Dataset[Any], ids: Tensor) -> Batch:
    """Return the samples of `ids` ((batch,) int64, on the CPU) as one batch, equal to stacking `dataset[i]`.

    Raises:
        TypeError: if `why_not` has a reason against it.
    """
    if isinstance(dataset, TensorDataset):
        return tuple(torch.index_select(column, 0, ids) for column in dataset.tensors)
    if isinstance(dataset, Takeable):
        return dataset.take(ids)
    if isinstance(dataset, Subset):
        return take(dataset.dataset, torch.as_tensor(dataset.indices)[ids])
    raise TypeError(why_not(dataset))
