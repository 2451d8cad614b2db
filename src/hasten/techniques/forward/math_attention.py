"""Compute attention by batched products in place of torch's fused kernel, on a CPU.

What it does
    Computes `F.scaled_dot_product_attention` as matmul, softmax, matmul over blocks of queries. Under a causal mask,
    fully masked blocks of scores are skipped: 3 of 8 with 4 blocks.

Why it helps
    The fused kernel saves memory, and on a GPU time. In bfloat16 on a CPU it is slower than what the compiler makes of
    products, whose softmax it fuses: 92 ms forward and backward against 55 with one block and 43 with four, for 16 x 6
    heads of 256 x 64 on one core of a Zen 4.

When it hurts
    Without `compile` the softmax goes through memory several times. Long sequences: the scores are kept for the
    backward pass, (length x length) for each head.

Numerics
    The same mathematics, summed in another order. In bfloat16 the scores are rounded before the softmax, which the
    fused kernel keeps in float32.

Known problems
    Calls with an own mask, dropout on the weights, shared keys, more than `longest` keys or no gradients use the fused
    kernel; so does code that imported the function by name. The function in `torch.nn.functional` is replaced for the
    whole process during the run.

Source
    The forms of attention in Vaswani et al., 2017, arXiv:1706.03762; leaving out hidden blocks as in Dao, 2023,
    arXiv:2307.08691 (FlashAttention-2).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.forward.attention.in_products import in_place_of_kernel, served, why_all_stay
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class MathAttention:
    """Compute attention by batched products."""

    blocks: Annotated[int, Meta(ge=1, description="of queries, where the future is hidden")] = 4
    longest: Annotated[int, Meta(ge=1, description="keys; calls with more are left to the kernel")] = 1024

    card: ClassVar[Card] = Card(
        name="math_attention",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="attention as batched matmuls that skip what a causal mask hides",
        source="Vaswani et al., 2017, arXiv:1706.03762; Dao, 2023, arXiv:2307.08691",
        treats=("low_compute_efficiency", "backward_anomaly"),
        needs=("a run on the CPU", "a model that calls F.scaled_dot_product_attention"),
        conflicts=("sdpa", "cpu_flash_attention"),
        setup_s=20.0,  # it makes a compilation of the model anew
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs, and models without a call that products can do."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, where the fused kernel is the faster one"
        return why_all_stay(recipe, lambda call: call.why_not(self.longest))

    def apply(self, recipe: Recipe) -> Recipe:
        """Put products in the kernel's place while the recipe runs."""
        switch = partial(in_place_of_kernel, served(blocks=self.blocks, longest=self.longest))
        return recipe.with_context(switch)
