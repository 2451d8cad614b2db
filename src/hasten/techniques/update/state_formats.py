"""Number formats that keep an optimizer's state in fewer bytes: values in, a few small tensors out, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Packed: TypeAlias = dict[str, Tensor]
BLOCK = 256
"""Numbers under one scale."""
NEVER_NEGATIVE = frozenset({"exp_avg_sq", "max_exp_avg_sq"})
"""States of torch's optimizers that are sums of squares."""


class Format(Protocol):
    """How one tensor of an optimizer's state is kept."""

    wide_embeddings: ClassVar[bool]
    """Whether the state of embeddings needs float32: their gradients are rare and uneven."""

    def pack(self, values: Tensor, *, name: str, seed: int) -> Packed:
        """Return float32 `values` of any shape in fewer bytes; `seed` is new at every call for them."""
        ...

    def unpack(self, packed: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
        """Return what `pack` made small as float32, in its shape."""
        ...


def dither(count: int, seed: int, device: torch.device) -> Tensor:
    """Return (count,) int32 in 0 .. 65535 that depend on the place and the seed only.

    A hash in place of a generator: random numbers that the run draws for other things stay what they are, and a run
    that goes on from a checkpoint draws the same. Products wrap at 32 bits.

    Source: the finalizer of MurmurHash3 (Austin Appleby 2011, public domain), without its last shift.
    """
    mixed = torch.arange(count, dtype=torch.int32, device=device).mul_(-1640531527).add_(_signed(seed * 668265263))
    mixed ^= (mixed >> 16).bitwise_and_(0xFFFF)
    mixed *= -2048144789
    mixed ^= (mixed >> 13).bitwise_and_(0x7FFFF)
    mixed *= -1028477387
    return (mixed >> 16).bitwise_and_(0xFFFF)


def _signed(number: int) -> int:
    """Return the lowest 32 bits as a signed number."""
    return (number + 2**31) % 2**32 - 2**31


@dataclass(frozen=True)
class Bf16Rounded:
    """bfloat16, rounded up or down at random so that the mean over seeds is the value.

    A state that moves by less than half of a bfloat16's last digit would stand still if rounded to the nearest: at
    beta2 = 0.999, a mean of squares could never fall.
    """

    wide_embeddings: ClassVar[bool] = False

    def pack(self, values: Tensor, *, name: str, seed: int) -> Packed:
        """Add noise below the last digit that is kept, and cut the rest off."""
        bits = values.contiguous().view(torch.int32).flatten()
        cut = (bits + dither(bits.numel(), seed, bits.device)).bitwise_and_(-65536)
        # What is infinite or not a number stays so; the noise would turn one into the other.
        bits = torch.where(values.isfinite().flatten(), cut, bits)
        return {"values": bits.view(torch.float32).view(values.shape).bfloat16()}

    def unpack(self, packed: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
        """Return the values as float32."""
        return packed["values"].float()


@dataclass(frozen=True)
class DynamicBlocks:
    """8-bit codes of a dynamic data type, one scale for each block: seven decades below each block's largest number."""

    wide_embeddings: ClassVar[bool] = True

    def pack(self, values: Tensor, *, name: str, seed: int) -> Packed:
        """Divide each block by its largest number and find the nearest code."""
        blocks = F.pad(values.flatten(), (0, -values.numel() % BLOCK)).view(-1, BLOCK)
        scales = blocks.abs().amax(1, keepdim=True)
        shares = blocks / scales.clamp_min(torch.finfo(torch.float32).tiny)
        table = nearest_codes(name not in NEVER_NEGATIVE).to(values.device)
        # The bits of a float16 are the place in the table: one look-up instead of a search among the codes.
        places = shares.half().view(torch.int16).flatten().int().bitwise_and_(0xFFFF)
        codes = table.index_select(0, places)[: values.numel()]
        return {"codes": codes, "scales": scales.flatten(), "signed": torch.tensor(name not in NEVER_NEGATIVE)}

    def unpack(self, packed: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
        """Look the codes up and scale them."""
        codes, scales = packed["codes"], packed["scales"]
        levels = dynamic_levels(bool(packed["signed"])).to(codes.device)
        shares = F.pad(levels.index_select(0, codes.int()), (0, -codes.numel() % BLOCK)).view(-1, BLOCK)
        return (shares * scales[:, None]).flatten()[: shape.numel()].view(shape)


@cache
def dynamic_levels(signed: bool) -> Tensor:
    """Return the 256 numbers of the 8-bit dynamic data type, sorted: -1 .. 1, or 0 .. 1 where no number is negative.

    Zero, one, and in each of seven decades the middles of 1, 2, 4 .. 64 equal parts (twice as many without a sign).

    Source: Dettmers et al., 2021, arXiv:2110.02861, section 1.3; the parts as in bitsandbytes (create_dynamic_map).
    """
    levels = [0.0, 1.0]
    for decade in range(7):
        edges = torch.linspace(0.1, 1, 2**decade * (1 if signed else 2) + 1, dtype=torch.float64)
        middles = ((edges[:-1] + edges[1:]) / 2 * 10.0 ** (decade - 6)).tolist()
        levels += [*middles, *(-middle for middle in middles)] if signed else middles
    return torch.tensor(sorted(levels)).float()


@cache
def nearest_codes(signed: bool) -> Tensor:
    """Return (65536,) uint8: for the bits of every float16 the code of the nearest level.

    What is above zero never becomes zero: an update divides by the root of a mean of squares. This differs from the
    source, whose small squares vanish. What is not a number gets the largest code, and keeps it by its scale.
    """
    values = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.float16).float()
    levels = dynamic_levels(signed)
    codes = torch.bucketize(values.nan_to_num(1.0, 1.0, -1.0), (levels[1:] + levels[:-1]) / 2)
    if not signed:
        codes = codes.where((values <= 0) | (codes > 0), 1)
    return codes.to(torch.uint8)
