"""Compute matrix products and convolutions in bfloat16; parameters and their updates stay float32.

What it does
    Runs the forward pass and the loss under `torch.autocast` with bfloat16; autograd does the backward products in
    the same format.

Why it helps
    Hardware with bfloat16 instructions multiplies two to eight times as fast as in float32, and activations take half
    the memory.

When it hurts
    On CPUs without AVX512-BF16 or AMX it is slower than float32. On very small models the casts cost more than the
    products save.

Numerics
    8 bits of mantissa (about 0.4 % a product), accumulated in float32; the exponent is that of float32, so no loss
    scaling is needed. Softmax, norms and losses stay in float32.

Known problems
    Weights are cast anew in every step. float16 has no CPU hardware on most machines and is not used here.

Source
    Kalamkar et al., 2019, arXiv:1905.12322; Micikevicius et al., 2018, arXiv:1710.03740.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.autocast import Autocast
from hasten.techniques.source import Source
from hasten.training.effects import Seen, products_in
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class Bf16:
    """Compute matrix products and convolutions in bfloat16."""

    card: ClassVar[Card] = Card(
        name="bf16",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="bfloat16 mixed precision: matmuls in bfloat16, parameters and updates in float32",
        source="Kalamkar et al., 2019, arXiv:1905.12322",
        treats=("precision_unused", "low_compute_efficiency"),
        needs=("bfloat16 instructions: AVX512-BF16 or AMX on a CPU, compute capability 8.0 on a GPU",),
        after=("compile",),
        exploits=("bfloat16 matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse hardware without bfloat16 instructions."""
        if recipe.device.is_host:
            if not {"avx512_bf16", "amx_bf16"} & set(machine.isa):
                return f"this CPU has no bfloat16 instructions (it has {', '.join(machine.isa)})"
            return None
        if machine.gpu is not None and machine.gpu.capability < (8, 0):
            return f"{machine.gpu.name} has no bfloat16 units (compute capability {machine.gpu.capability})"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Wrap the forward pass and the loss in autocast."""
        return recipe.wrap(Autocast(recipe.parallel.device, torch.bfloat16))

    def effect(self, seen: Seen) -> str | None:
        """Expect products in bfloat16."""
        return products_in(seen, "bfloat16")

    def source(self, recipe: Recipe) -> Source:
        """Return autocast around the forward pass and the loss."""
        return Source(context="torch.autocast(DEVICE, dtype=torch.bfloat16)")
