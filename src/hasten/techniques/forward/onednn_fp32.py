"""Let oneDNN compute float32 matrix products on CPUs where it is faster than MKL.

What it does
    Sets torch's float32 matmul precision to "medium" while the run is on, which sends float32 `mm`, `addmm` and `bmm`
    of the forward and both backward products to oneDNN.

Why it helps
    MKL takes a slower path on CPUs that are not Intel's. On AMD Zen 4 and Zen 5 with AVX-512 oneDNN reaches about
    twice its rate on large products.

When it hurts
    Small products (below about 64 x 64 x 64) become slower: each call of oneDNN costs more.

Numerics
    "medium" permits bfloat16 inside the product, and CPUs with AMX take the permission. Without AMX oneDNN computes in
    true float32, only in another order. The gate measures which of the two it is.

Known problems
    The setting is process-wide; it is put back whenever the run is not on. After an assignment to the newer
    `torch.backends.mkldnn.matmul.fp32_precision`, reading the old setting raises, so the old one is used throughout.

Source
    pytorch pull request 116015 (2024); aten/src/ATen/native/mkldnn/Matmul.cpp.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.effects import Seen, products_in
from hasten.training.recipe import Recipe


@contextmanager
def medium_matmul_precision() -> Generator[None]:
    """Permit reduced internal precision in float32 products for the body."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class OneDnnFp32:
    """Let oneDNN compute float32 matrix products."""

    card: ClassVar[Card] = Card(
        name="onednn_fp32",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="float32 matmuls by oneDNN where it beats MKL",
        source="pytorch pull request 116015 (2024)",
        treats=("low_compute_efficiency",),
        needs=("an x86 CPU with AVX-512 that is not Intel's", "float32 matrix products"),
        pointless_beside=("bf16", "fp16"),  # which leave no float32 product
        exploits=("oneDNN matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse where torch has no oneDNN, where its guard needs AVX-512, and on GPUs."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, but this technique is for CPU matmuls"
        if not torch.backends.mkldnn.is_available():
            return "this build of torch has no oneDNN"
        if "avx512" not in machine.isa:
            return f"torch sends float32 products to oneDNN only with AVX-512; this CPU has {', '.join(machine.isa)}"
        if "amx_bf16" in machine.isa:
            return "this CPU has AMX, where the switch means bfloat16 products: use the technique bf16"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """ContextFactory the setting on for the run."""
        return recipe.with_context(medium_matmul_precision)

    def effect(self, seen: Seen) -> str | None:
        """Expect float32 products, which the setting sends to oneDNN."""
        return products_in(seen, "float32")

    def source(self, recipe: Recipe) -> Source:
        """Return the setting of the process."""
        return Source(settings='torch.set_float32_matmul_precision("medium")')
