"""Let attention take torch's fused kernel, also where it is written by hand.

What it does
    Attention that a model writes out (a product of queries and keys, scale, mask, softmax, a product with the values)
    becomes one call of `F.scaled_dot_product_attention`. It is recognized while the model runs: in modules that were
    seen to do it, scores are not computed before it is clear what is done with them. `nn.MultiheadAttention` returns
    its weights unless told otherwise; where the model does not use them, it is told.

Why it helps
    The fused kernel never writes the matrix of scores, (length x length) for each head: less memory, and 1.4 to 2.4
    times as fast forward and backward on a CPU. A mask that hides the future is recognized on a CPU, and half of the
    products are left out.

When it hurts
    For sequences of a few positions the kernel is no faster than the products, and recognizing costs some
    microseconds a layer.

Numerics
    The same mathematics, summed in another order. What is done with scores or weights besides (looked at, returned,
    changed in another way) is computed as it is written.

Known problems
    Dropout on the weights is left as it is written: the fused kernel would draw other random numbers. Learned biases
    on the scores, several widths of keys and values, and more than one dimension of heads are left, too. Compiled
    code is not changed: torch's compiler looks for attention itself. On a GPU, a mask that hides the future stays a
    mask. Whether the model's output and gradients stay the same is tried out on two samples.

Source
    Dao et al., 2022, arXiv:2205.14135 (FlashAttention); torch.nn.functional.scaled_dot_product_attention; the forms
    that are recognized: torch/_inductor/fx_passes/fuse_attention.py.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.blocks import unwrap_forward
from hasten.techniques.example_pass import far_off, passes
from hasten.techniques.forward.attention.multihead import leave_weights_out, why_not_multihead, without_weights
from hasten.techniques.forward.attention.tracing import lead_to_kernel, outcomes, recognized
from hasten.training.effects import Seen, any_call
from hasten.training.inspection import copy_of
from hasten.training.recipe import Recipe

FUSED_KERNELS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention",
)
"""Names of the kernels that torch chooses from; the plain computation is none of them."""


@dataclass(frozen=True)
class Found:
    """What can be done for a model: modules with attention written by hand, and whether weights can be left out."""

    by_hand: tuple[str, ...]
    weights_unused: bool


def look(model: nn.Module, recipe: Recipe) -> tuple[Found, str]:
    """Return what can be done for a model, and why not more; the model and the global generators stay untouched."""
    batch = recipe.subject.batch()
    with preserved():
        tried = copy_of(model)
        multihead = why_not_multihead(tried, lambda: recipe.forward.predict(tried, batch))
        plain = copy_of(model)
        if multihead is None:
            leave_weights_out(plain)
        ended = outcomes(plain, lambda: recipe.forward.predict(plain, batch))
        ended = {
            name: whys
            for name, whys in ended.items()
            if not isinstance(plain.get_submodule(name), nn.MultiheadAttention)
        }
        names = tuple(name for name, whys in ended.items() if None in whys)
        by_hand = why_not_by_hand(ended) if not names else _why_different(model, names, recipe)
    return Found(names if by_hand is None else (), multihead is None), f"{multihead}, and {by_hand}"


def why_not_by_hand(ended: dict[str, list[str | None]]) -> str:
    """Return why no attention written by hand is served, given how each one in a module ended."""
    for name, whys in ended.items():
        return f"the attention written in {name!r} stays as it is: {whys[0]}"
    return "no attention is written by hand (softmax of a batched product, and a product with its result)"


def _why_different(model: nn.Module, names: tuple[str, ...], recipe: Recipe) -> str | None:
    """Return how a model differs once attention in these modules is fused, or None if it agrees."""
    expected = _gradients(copy_of(model), recipe)
    off = far_off(expected, _gradients(lead_to_kernel(copy_of(model), names), recipe))
    if off is None:
        return None
    return f"on two samples, the gradient of {off[0]!r} is off by {off[1]:.1e} of its size with fused attention"


def _gradients(model: nn.Module, recipe: Recipe) -> dict[str, Tensor]:
    """Return parameter -> gradient of the loss of two samples, from the task's seed."""
    return passes(model, recipe, samples=2, count=1, seed=recipe.subject.seed)[0].gradients


def fuse(model: nn.Module, *, recipe: Recipe) -> nn.Module:
    """Let all attention of the model that can take the fused kernel, in place."""
    found, _ = look(model, recipe)
    if found.weights_unused:
        leave_weights_out(model)
    return lead_to_kernel(model, found.by_hand)


def unfuse(model: nn.Module) -> nn.Module:
    """Take `fuse` back."""
    return unwrap_forward(unwrap_forward(model, recognized), without_weights)


@dataclass(frozen=True)
class Sdpa:
    """Let attention take torch's fused kernel."""

    card: ClassVar[Card] = Card(
        name="sdpa",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="use torch's fused attention (SDPA), also for attention written by hand",
        source="Dao et al., 2022, arXiv:2205.14135",
        treats=("attention_unfused", "near_memory_limit"),
        needs=("attention written by hand, or nn.MultiheadAttention whose weights the model does not use",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without such attention, and those that use the attention weights."""
        found, why = look(recipe.subject.fresh_model(), recipe)
        return None if found.by_hand or found.weights_unused else why

    def apply(self, recipe: Recipe) -> Recipe:
        """Change the layers before training, and take it back after it."""
        return recipe.with_surgery(partial(fuse, recipe=recipe), undo=unfuse)

    def effect(self, seen: Seen) -> str | None:
        """Expect a call of one of torch's fused kernels of attention."""
        return any_call(seen, "a fused kernel of attention", *FUSED_KERNELS)
