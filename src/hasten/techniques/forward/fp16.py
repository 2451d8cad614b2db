"""Compute matrix products and convolutions in float16, with loss scaling.

What it does
    Runs the forward pass and the loss under `torch.autocast` with float16, and starts the backward pass from a large
    factor that is divided out of the gradients before anything else sees them.

Why it helps
    GPUs older than bfloat16 (compute capability 7) multiply float16 several times as fast as float32. Elsewhere bf16
    is as fast and needs no scaling.

When it hurts
    On CPUs without float16 arithmetic it is slower than float32. Activations above 65504 overflow.

Numerics
    11 bits of mantissa, 5 of exponent. Gradients below 6e-8 would vanish; the scale keeps them. It adapts: an overflow
    halves it and leaves the update out, a long time without one doubles it.

Known problems
    The first updates may be left out until the scale fits. Each step reads from the device whether gradients are
    finite.

Source
    Micikevicius et al., 2018, arXiv:1710.03740.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.autocast import Autocast
from hasten.training.effects import Seen, products_in
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class Fp16:
    """Compute matrix products and convolutions in float16."""

    loss_scale: Annotated[float, Meta(ge=1, description="first factor of the loss; it adapts")] = 65536.0

    card: ClassVar[Card] = Card(
        name="fp16",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="float16 mixed precision with loss scaling",
        source="Micikevicius et al., 2018, arXiv:1710.03740",
        treats=("precision_unused", "low_compute_efficiency"),
        needs=("float16 arithmetic: AVX512-FP16 or AMX-FP16 on a CPU, compute capability 7.0 on a GPU",),
        conflicts=("bf16", "optimizer_in_backward"),
        after=("compile",),
        exploits=("float16 matmul",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse hardware without float16 arithmetic."""
        if recipe.device.is_host:
            if not {"avx512_fp16", "amx_fp16"} & set(machine.isa):
                return f"this CPU has no float16 arithmetic (it has {', '.join(machine.isa)})"
            return None
        if machine.gpu is not None and machine.gpu.capability < (7, 0):
            return f"{machine.gpu.name} has no float16 units (compute capability {machine.gpu.capability})"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Wrap the forward pass and the loss in autocast, and scale the loss."""
        recipe = recipe.wrap(Autocast(recipe.parallel.device, torch.float16))
        return recipe.with_backward(loss_scale=self.loss_scale)

    def effect(self, seen: Seen) -> str | None:
        """Expect products in float16."""
        return products_in(seen, "float16")
