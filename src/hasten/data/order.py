"""The order of the samples: a pure function of (seed, epoch), so that a run can stop and go on anywhere."""

import torch
from torch import Tensor

from hasten.base.seeds import derive


def shuffled(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    """Return the ids 0 ... num_samples - 1 in the random order of one epoch.

    The global generators are neither read nor advanced.

    Returns:
        (num_samples,) int64; the same on every machine for the same torch version.
    """
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(num_samples, generator=generator)


def sequential(num_samples: int) -> Tensor:
    """Return the ids 0 ... num_samples - 1 in their own order, (num_samples,) int64."""
    return torch.arange(num_samples)
