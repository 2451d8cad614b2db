"""Whether this processor multiplies int8 matrices exactly and fast."""

from functools import cache

import torch
from torch import Tensor

from hasten.base.errors import Refused
from hasten.techniques.forward.int8.quantize import KERNELS
from hasten.techniques.native import NUMBER, library

SMALLEST_SIZE = 32
"""Of any dimension of an int8 product. Thinner ones do not pay, and torch leaves the result unwritten where a
dimension of size 1 has stride 0 (pytorch issue 195066)."""
SHAPES = ((33, 65, 47), (64, 64, 64), (96, 160, 32))
"""M, K, N of the products that are checked, odd sizes among them."""


@cache
def unsupported() -> str | None:
    """Return why int8 training cannot help on this CPU, or None; the first call compiles, and multiplies a little."""
    # Private: torch has no public way to ask for AVX512-VNNI. A test pins it.
    if not torch.cpu._is_vnni_supported():
        return (
            "the processor has no AVX512-VNNI instructions, without which torch multiplies int8 matrices "
            "more slowly than float32 ones"
        )
    try:
        for number in NUMBER:
            library(KERNELS, number)
    except Refused as error:
        return str(error)
    wrong = [f"{m}x{k}x{n}" for m, k, n in SHAPES if not multiplies_exactly(m, k, n)]
    if wrong:
        return f"this build of torch multiplies int8 matrices wrongly on this processor (sizes {', '.join(wrong)})"
    return None


def multiplies_exactly(M: int, K: int, N: int) -> bool:
    """Return whether the three int8 products of a linear layer equal those in int64, for full-range codes."""
    generator = torch.Generator().manual_seed(M * K * N)

    def codes(*shape: int) -> Tensor:
        return torch.randint(-127, 128, shape, dtype=torch.int8, generator=generator)

    inputs, weights, gradients = codes(M, K), codes(N, K), codes(M, N)
    pairs = ((inputs, weights.t()), (gradients, weights), (gradients.t(), inputs))
    return all(torch.equal(torch._int_mm(a, b).long(), a.long() @ b.long()) for a, b in pairs)
