"""ActivationCheckpointing activations in the backward pass instead of keeping them.

What it does
    Each repeated block keeps only its input; the backward pass runs the block's forward pass once more to get what it
    needs. `activation_checkpointing_selective` also keeps the results of matmuls, convolutions and attention and
    recomputes only what is cheap: activations, norms, dropout.

Why it helps
    Memory: the activations of one block are alive at a time instead of those of all. What is freed can hold a larger
    batch or a larger model.

When it hurts
    Time: about a third more arithmetic for whole blocks, a few percent for the selective kind. Useless where memory
    is not short.

Numerics
    The same operations on the same numbers, random numbers included: bit for bit.

Known problems
    A block that changes with every forward pass (running statistics, spectral norm, counters, a cache) would change
    twice, and random numbers that torch does not draw (numpy's) would be others: tried on four samples, and refused.

Source
    Chen et al., 2016, arXiv:1604.06174; selective: Korthikanti et al., 2022, arXiv:2205.05198, through
    torch.utils.checkpoint (use_reentrant=False).
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from hasten.base.errors import error_text
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.blocks import AroundBlock, Forward, repeated_blocks, unwrap_forward, wrap_forward
from hasten.techniques.dry_run import layer_of
from hasten.techniques.example_pass import first_difference, passes
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

EXPENSIVE = frozenset(
    {
        torch.ops.aten.mm.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten.bmm.default,
        torch.ops.aten.baddbmm.default,
        torch.ops.aten.convolution.default,
        torch.ops.aten._scaled_dot_product_flash_attention.default,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
        torch.ops.aten._scaled_dot_product_efficient_attention.default,
        torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    }
)
"""Operations whose results the selective kind keeps."""


def keep_expensive(context: Any, operation: Any, *args: Any, **options: Any) -> CheckpointPolicy:
    """Say of an operation whether its result is kept."""
    return CheckpointPolicy.MUST_SAVE if operation in EXPENSIVE else CheckpointPolicy.PREFER_RECOMPUTE


def recomputed(block: nn.Module, forward: Forward) -> Forward:
    """Return the block's forward pass with nothing kept but its input."""
    if not torch.is_grad_enabled():
        return forward
    return partial(checkpoint, forward, use_reentrant=False)


def recomputed_selectively(block: nn.Module, forward: Forward) -> Forward:
    """Return the block's forward pass with nothing kept but its input and the results of expensive operations."""
    if not torch.is_grad_enabled():
        return forward
    contexts = partial(create_selective_checkpoint_contexts, keep_expensive)
    return partial(checkpoint, forward, use_reentrant=False, context_fn=contexts)


def wrap_blocks(model: nn.Module, around: AroundBlock) -> nn.Module:
    """Let `around` run the forward pass of every repeated block, in place."""
    for block in repeated_blocks(model).values():
        wrap_forward(block, around)
    return model


def why_not(recipe: Recipe, around: AroundBlock) -> str | None:
    """Return why the model's blocks cannot be recomputed with the same bits, or None; tries it on four samples.

    Two passes with and without recomputation must agree in the loss, every gradient, every buffer, the counters and
    generators that layers hold, and the global generators. What a class is called decides nothing.
    """
    if not repeated_blocks(recipe.subject.model()):
        return "the model has no list or sequence of blocks to recompute one by one"
    expected = passes(recipe.subject.fresh_model(), recipe)
    try:
        found = passes(wrap_blocks(recipe.subject.fresh_model(), around), recipe)
    except Exception as error:  # noqa: BLE001  (the model is the person's: anything may be raised)
        layer = layer_of(error)
        where = f" in the layer {layer!r}" if layer else ""
        return f"recomputing the blocks failed{where} on four samples: {error_text(error)}"
    different = first_difference(expected, found)
    if different is None:
        return None
    if first_difference(expected, passes(recipe.subject.fresh_model(), recipe)) is not None:
        return f"the model does not repeat itself bit for bit on four samples ({different} differs between two runs)"
    return (
        f"recomputing the blocks changes {different} on four samples: something in them (statistics, a counter, "
        "random numbers that torch does not draw) is not the same when it runs a second time"
    )


def with_blocks(recipe: Recipe, around: AroundBlock) -> Recipe:
    """Return the recipe with `around` running the forward pass of every block."""
    return recipe.with_surgery(partial(wrap_blocks, around=around), undo=partial(unwrap_forward, around=around))


def _source(recipe: Recipe, options: str) -> Source:
    """Return the lines by which each block is recomputed in the backward pass."""
    names = ", ".join(f'"{name}"' for name in repeated_blocks(recipe.subject.model()))
    lines = (
        f"for name in ({names},):",
        "    block = model.get_submodule(name)",
        f"    block.forward = partial(checkpoint, block.forward, {options})",
    )
    imports = ("from functools import partial", "from torch.utils.checkpoint import checkpoint")
    return Source(imports=imports, model="\n".join(lines))


@dataclass(frozen=True)
class ActivationCheckpointing:
    """Recompute the activations of each block in the backward pass."""

    card: ClassVar[Card] = Card(
        name="activation_checkpointing",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="activation checkpointing: recompute each block's activations in the backward pass",
        source="Chen et al., 2016, arXiv:1604.06174",
        treats=("near_memory_limit",),
        needs=("a model with a list or sequence of blocks that compute the same when they run twice",),
        conflicts=("activation_checkpointing_selective",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without blocks, and blocks that are not the same when they run a second time."""
        return why_not(recipe, recomputed)

    def apply(self, recipe: Recipe) -> Recipe:
        """Checkpoint the blocks."""
        return with_blocks(recipe, recomputed)

    def source(self, recipe: Recipe) -> Source:
        """Return the new forward pass of each block."""
        return _source(recipe, "use_reentrant=False")


@dataclass(frozen=True)
class ActivationCheckpointingSelective:
    """Recompute only the cheap operations of each block in the backward pass."""

    card: ClassVar[Card] = Card(
        name="activation_checkpointing_selective",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="selective activation checkpointing: keep matmul and attention results, recompute the rest",
        source="Korthikanti et al., 2022, arXiv:2205.05198",
        treats=("near_memory_limit",),
        needs=("a model with a list or sequence of blocks that compute the same when they run twice",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without blocks, and blocks that are not the same when they run a second time."""
        return why_not(recipe, recomputed_selectively)

    def apply(self, recipe: Recipe) -> Recipe:
        """Checkpoint the blocks with a policy."""
        return with_blocks(recipe, recomputed_selectively)

    def source(self, recipe: Recipe) -> Source:
        """Return the new forward pass of each block."""
        source = _source(recipe, "use_reentrant=False, context_fn=contexts")
        lines = f"contexts = partial(create_selective_checkpoint_contexts, keep_expensive)\n{source.model}"
        needed = "from torch.utils.checkpoint import create_selective_checkpoint_contexts"
        return replace(source, copies=(keep_expensive,), imports=(*source.imports, needed), model=lines)
