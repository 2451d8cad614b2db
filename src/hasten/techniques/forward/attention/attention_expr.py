"""Attention written out by hand, as it comes into being: what has been asked of the scores so far.

The forms are those that torch's own compiler looks for in its graphs (`torch/_inductor/fx_passes/fuse_attention.py`):
a product of queries and keys, scaled, masked by filling, by choosing or by adding, softmax over the keys, product with
the values. Here they are recognized while they are computed, so that the model's code may be any Python.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LOW = -1e8
"""A number at most this low, added to a score, leaves nothing of it: the weight is 0, or equal where all are masked."""


class Fill(NamedTuple):
    """Scores replaced by a low number, or by minus infinity, where `masked` is true; broadcasts to the scores."""

    masked: Tensor
    value: float


@dataclass(frozen=True)
class Chain:
    """Scores on their way to weights: softmax of (query key^T x scale, masked).

    Args:
        query: (..., queries, width).
        key: (..., keys, width), its leading dimensions those of `query`.
        dtype: of what the written operations would have made so far.
        plain: makes just that.
        versions: every tensor that `plain` reads, with its version when it was handed in.
        autocast: whether it was on when the scores were asked for, and to which format.
        gradients: whether they were on then.
        outcome: told None once the chain has become fused attention, or what kept it from that.
        scale: on the scores.
        factor: a tensor of one element on the scores, besides.
        fills: masks by filling, first to last.
        bias: mask by addition, broadcasts to the scores.
        weights: whether softmax has been taken.
    """

    query: Tensor
    key: Tensor
    dtype: torch.dtype
    plain: Callable[[], Tensor]
    versions: tuple[tuple[Tensor, int], ...]
    autocast: tuple[bool, torch.dtype]
    gradients: bool
    outcome: Callable[[str | None], None]
    scale: float = 1.0
    factor: Tensor | None = None
    fills: tuple[Fill, ...] = ()
    bias: Tensor | None = None
    weights: bool = False

    @property
    def shape(self) -> torch.Size:
        """(..., queries, keys)."""
        return torch.Size((*self.query.shape[:-1], self.key.shape[-2]))

    @property
    def masked(self) -> bool:
        """Whether any mask has been laid on."""
        return bool(self.fills) or self.bias is not None

    def scaled(self, by: float | Tensor) -> "Chain | None":
        """Return the chain with its scores multiplied, or None where a mask or softmax came first."""
        if self.masked or self.weights:
            return None
        if not isinstance(by, Tensor):
            return replace(self, scale=self.scale * by)
        return replace(self, factor=by if self.factor is None else self.factor * by) if by.ndim == 0 else None

    def added(self, bias: Tensor) -> "Chain | None":
        """Return the chain with a mask added, or None where it is learned or not one that the kernel takes."""
        if self.weights or bias.requires_grad or not bias.is_floating_point() or not self._fits(bias):
            return None
        return replace(self, bias=bias if self.bias is None else self.bias + bias)

    def filled(self, masked: Tensor, value: float) -> "Chain | None":
        """Return the chain with scores filled in, or None where the number is not low enough to mask them."""
        low = value <= LOW or value == torch.finfo(self.dtype).min
        if self.weights or self.bias is not None or not low or not self._fits(masked):
            return None
        return replace(self, fills=(*self.fills, Fill(masked, value)))

    def normalized(self, dim: int) -> "Chain | None":
        """Return the chain with softmax taken over the keys, or None where it is over something else."""
        return None if self.weights or dim not in (-1, len(self.shape) - 1) else replace(self, weights=True)

    def _fits(self, mask: Tensor) -> bool:
        shape = (1,) * (len(self.shape) - mask.ndim) + tuple(mask.shape)
        return len(shape) == len(self.shape) and all(
            own in (1, other) for own, other in zip(shape, self.shape, strict=True)
        )


def attended(chain: Chain, value: Tensor) -> Tensor:
    """Return what fused attention makes of a chain whose softmax has been taken.

    Args:
        chain: of queries (batch, heads, queries, width), or (batch, queries, width).
        value: (batch, heads, keys, width), or (batch, keys, width).
    """
    query = chain.query if chain.factor is None else chain.query * chain.factor
    mask, causal = _mask(chain)
    parts = (query, chain.key, value)
    if flat := query.ndim == 3:  # the kernels want heads
        parts = tuple(part.unsqueeze(1) for part in parts)
    if mask is not None:
        mask = mask.view((1,) * (query.ndim - mask.ndim) + tuple(mask.shape))
        mask = mask.unsqueeze(1) if flat else mask
    query, key, value = (part if part.stride(-1) == 1 else part.contiguous() for part in parts)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, scale=chain.scale)
    return mixed.squeeze(1) if flat else mixed


def _mask(chain: Chain) -> tuple[Tensor | None, bool]:
    """Return the mask that the kernel is given, and whether it is the causal one, which needs none."""
    if not chain.masked:
        return None, False
    hidden = _hidden(chain)
    if hidden is not None and _is_causal(hidden, chain.shape):
        return None, True
    if chain.bias is None and all(math.isinf(fill.value) for fill in chain.fills):
        assert hidden is not None, "without an added mask all are fills"
        return ~hidden, False
    bias = chain.bias
    for masked, value in chain.fills:
        own = torch.zeros((), dtype=chain.dtype, device=masked.device).masked_fill(masked, value)
        bias = own if bias is None else bias + own
    assert bias is not None, "a mask is a fill or a bias"
    return bias.to(chain.query.dtype), False


def _hidden(chain: Chain) -> Tensor | None:
    """Return where scores count for nothing, if the masks do nothing else; looked at on a CPU only, where it is cheap.

    On a GPU, an added mask stays what it is: looking at it would make the processor wait for the GPU.
    """
    hidden = None
    for masked, _ in chain.fills:
        hidden = masked if hidden is None else hidden | masked
    if chain.bias is None:
        return hidden
    if not chain.bias.is_cpu:
        return None
    low = chain.bias <= LOW
    if not bool((low | (chain.bias == 0)).all()):
        return None
    return low if hidden is None else hidden | low


def _is_causal(hidden: Tensor, shape: torch.Size) -> bool:
    """Return whether what is hidden is each query's future. One look at the mask: queries x keys bytes."""
    queries, keys = shape[-2:]
    if not hidden.is_cpu or queries != keys or hidden.numel() != queries * keys:
        return False
    return torch.equal(hidden.reshape(queries, keys), _future(queries))


@lru_cache(maxsize=4)
def _future(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)
