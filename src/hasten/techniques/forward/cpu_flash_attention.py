"""Compute attention in bfloat16 by a fused kernel of our own, on a CPU with AVX512-BF16.

What it does
    Calls of `F.scaled_dot_product_attention` run in C++ that is built for this processor when it is first needed: one
    head at a time, from the tensors where they lie, forward and backward. Tensors in float32 are rounded to bfloat16
    first, and the result is float32 again.

Why it helps
    torch's fused kernel is slow in bfloat16 on a CPU, so that `bf16` gains little where attention takes much of the
    step; `math_attention` moves all scores, and several copies of queries, keys and values, through memory. Here
    all that belongs to a head of usual size stays in a core's own cache.

When it hurts
    Heads of thousands of positions: keys and queries of one head no longer fit in that cache. Processors with AMX,
    where oneDNN's products are several times as fast.

Numerics
    Operands in bfloat16; scores, softmax and sums in float32, as in torch's kernel under bfloat16 autocast.

Known problems
    Calls with a mask of their own, dropout on the weights, shared keys, or heads whose width is no multiple of 32 are
    left to torch's kernel, and so is code that holds the function under a name of its own. While the run is on, the
    function in `torch.nn.functional` is another one for the whole process. Without gradients torch's kernel is used.

Source
    Dao et al., 2022, arXiv:2205.14135, and Dao, 2023, arXiv:2307.08691 (FlashAttention), by heads instead of tiles.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.attention.in_kernel import FusedAttention, by_kernel, unsupported, why_not
from hasten.techniques.forward.attention.in_products import in_place_of_kernel, why_all_stay
from hasten.training.effects import Seen, any_call
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class CpuFlashAttention:
    """Compute attention in bfloat16 by a fused kernel of our own."""

    card: ClassVar[Card] = Card(
        name="cpu_flash_attention",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="fused attention in bfloat16 on CPUs with AVX512-BF16, one head at a time",
        source="Dao et al., 2022, arXiv:2205.14135; Dao, 2023, arXiv:2307.08691",
        treats=("precision_unused", "low_compute_efficiency", "backward_anomaly"),
        needs=(
            "a run on a CPU with AVX512-BF16 and a C++ compiler",
            "a model that calls F.scaled_dot_product_attention",
        ),
        conflicts=("sdpa", "math_attention"),
        best_with=("bf16",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs, processors without the instructions, and models without a call that the kernel can do."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, where torch's fused kernel is the faster one"
        return why_all_stay(recipe, why_not) or unsupported()

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the kernel in the place of torch's while the recipe runs."""
        switch = partial(in_place_of_kernel, by_kernel)
        return recipe.with_context(switch)

    def effect(self, seen: Seen) -> str | None:
        """Expect a call of the kernel."""
        return any_call(seen, "the kernel", FusedAttention.__name__)
