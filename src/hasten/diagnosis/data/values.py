"""Statistics of numbers that come in batches, without keeping the numbers."""

import math

import torch
from torch import Tensor

from hasten.base.records.data_facts import Values


class Numbers:
    """Adds up statistics of tensors. Cost: a few passes over each; at most `MOST` numbers of a tensor are read."""

    def __init__(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # of numbers, of squares, of ones
        self._low, self._high = math.inf, -math.inf
        self._zeros = self._nonfinite = 0
        self._whole = True

    def add(self, tensor: Tensor) -> None:
        """Add the numbers of a tensor."""
        numbers = thinned(tensor).double()
        finite = numbers[torch.isfinite(numbers)].clamp(-_LARGEST, _LARGEST)
        self._nonfinite += numbers.numel() - finite.numel()
        if not finite.numel():
            return
        self._sums += torch.stack([finite.sum(), finite.square().sum(), torch.tensor(float(finite.numel()))])
        self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))
        self._zeros += int((finite == 0).sum())
        self._whole = self._whole and bool((finite == finite.round()).all())

    def values(self) -> Values | None:
        """Return the statistics; None where there were no numbers."""
        total, squares, count = self._sums.tolist()
        if not count + self._nonfinite:
            return None
        if not count:
            return Values(nonfinite=1.0)
        mean = total / count
        return Values(
            numbers=int(count),
            mean=mean,
            std=math.sqrt(max(0.0, squares / count - mean * mean)),
            low=self._low,
            high=self._high,
            size=math.sqrt(squares / max(1.0, count - self._zeros)),
            zeros=self._zeros / count,
            nonfinite=self._nonfinite / (count + self._nonfinite),
            whole=self._whole,
        )


_LARGEST = 1e100  # whose square is finite

MOST = 65536


def thinned(tensor: Tensor) -> Tensor:
    """Return at most `MOST` numbers of a tensor, evenly spread over it, in the CPU's memory."""
    flat = tensor.detach().reshape(-1)
    if flat.numel() > MOST:
        flat = flat[:: -(-flat.numel() // MOST)]
    return flat.cpu()
