"""Compute float32 products on a GPU in TensorFloat-32.

What it does
    Lets cuBLAS and cuDNN round the inputs of float32 matrix products and convolutions to TF32 while the run is on.

Why it helps
    Tensor cores multiply TF32 about eight times as fast as the other units multiply float32.

When it hurts
    Models whose results need all 24 bits of a product: some physics, ill-conditioned regressions.

Numerics
    10 bits of mantissa in the factors, the exponent of float32, sums in float32.

Known problems
    The setting is process-wide; it is put back whenever the run is not on. Under bf16 there is little left for it.

Source
    NVIDIA, 2020, "A100 Tensor Core GPU Architecture"; torch.set_float32_matmul_precision.
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
def tensor_float() -> Generator[None]:
    """Permit TF32 in products and convolutions for the body."""
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


@dataclass(frozen=True)
class Tf32:
    """Compute float32 products on a GPU in TensorFloat-32."""

    card: ClassVar[Card] = Card(
        name="tf32",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="TensorFloat-32 (TF32) for float32 matmuls on a GPU",
        source="NVIDIA, 2020, A100 whitepaper",
        treats=("precision_unused", "low_compute_efficiency"),
        needs=("a GPU of compute capability 8.0",),
        conflicts=("onednn_fp32",),
        exploits=("tf32 matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse CPUs and GPUs without TF32."""
        if not recipe.device.is_cuda or machine.gpu is None:
            return f"the run is on {recipe.device}, which has no TF32"
        if machine.gpu.capability < (8, 0):
            return f"{machine.gpu.name} has no TF32 units (compute capability {machine.gpu.capability})"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """ContextFactory the setting on for the run."""
        return recipe.with_context(tensor_float)

    def effect(self, seen: Seen) -> str | None:
        """Expect float32 products, which the setting rounds."""
        return products_in(seen, "float32")

    def source(self, recipe: Recipe) -> Source:
        """Return the settings of the process."""
        lines = ('torch.set_float32_matmul_precision("high")', "torch.backends.cudnn.allow_tf32 = True")
        return Source(settings="\n".join(lines))
