"""Truth values as bits, and back."""

import torch
from torch import Tensor

BITS = tuple(1 << place for place in range(8))


def to_bits(mask: Tensor) -> Tensor:
    """Return truth values as bits: (ceil(n / 8),) uint8, the first value in the lowest bit."""
    padded = torch.nn.functional.pad(mask.flatten().to(torch.uint8), (0, -mask.numel() % 8))
    weights = torch.tensor(BITS, dtype=torch.uint8, device=mask.device)
    return (padded.view(-1, 8) * weights).sum(1, dtype=torch.uint8)


def from_bits(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return the truth values of `to_bits`, in their shape."""
    weights = torch.tensor(BITS, dtype=torch.uint8, device=bits.device)
    return (bits[:, None] & weights).ne(0).flatten()[: shape.numel()].view(shape)
