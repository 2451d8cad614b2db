"""A few entries of a tensor that stand for all of it, so that statistics of any tensor cost the same."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

MOST = 1 << 16
_HALF = (torch.float16, torch.bfloat16)


def entries(tensor: Tensor, most: int = MOST) -> Tensor:
    """Return at most `most` entries at even distances, as a flat view; of a sparse tensor, its values.

    The distance is odd and does not divide the last dimension, or it would see single columns only. A sharded tensor
    gives those of this process.
    """
    if tensor.is_sparse:
        return entries(tensor.coalesce().values(), most)
    if hasattr(tensor, "to_local"):
        return entries(tensor.to_local(), most)  # type: ignore[operator]
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if tensor.is_contiguous():
        flat = tensor.view(-1)
    elif tensor.dim() and torch.ops.aten.is_non_overlapping_and_dense(tensor):
        flat = tensor.as_strided((tensor.numel(),), (1,))
    else:
        flat = tensor.reshape(-1)
    if flat.numel() <= most:
        return flat
    distance = math.ceil(flat.numel() / most) | 1
    while tensor.shape[-1] % distance == 0:
        distance += 2
    return flat[::distance]


def rms(tensors: Sequence[Tensor]) -> list[float]:
    """Return the root of the mean of the squares of each tensor. Cost: one wait for the device."""
    if not tensors:
        return []
    norms = torch._foreach_norm([one.float() if one.dtype in _HALF else one for one in tensors], 2)
    values = torch.stack([norm.to(norms[0].device, torch.float64) for norm in norms]).tolist()
    return [value / math.sqrt(max(1, one.numel())) for value, one in zip(values, tensors, strict=True)]


def flat(tensors: Sequence[Tensor], most: int = 256) -> Tensor:
    """Return a few entries of each tensor as one vector in float32."""
    device = tensors[0].device
    return torch.cat([entries(one, most).to(device, torch.float32) for one in tensors])


def cosine(one: Tensor, other: Tensor) -> float | None:
    """Return the cosine of the angle between two vectors; None where one of them is zero or not finite."""
    product = float(one.norm() * other.norm())
    value = float(one @ other) / product if product > 0 else math.nan
    return value if math.isfinite(value) else None
