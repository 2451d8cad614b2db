"""Recompute activations in the backward pass instead of keeping them.

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
    A block with batch normalization would count its statistics twice, and is refused. Blocks that write to global
    state do so twice.

Source
    Chen et al., 2016, arXiv:1604.06174; selective: Korthikanti et al., 2022, arXiv:2205.05198, through
    torch.utils.checkpoint (use_reentrant=False).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.blocks import AroundBlock, Forward, repeated_blocks, unwrap_forward, wrap_forward
from hasten.training.inspection import example_model
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


def why_not(recipe: Recipe) -> str | None:
    """Return why the model's blocks cannot be recomputed, or None."""
    blocks = repeated_blocks(example_model(recipe))
    if not blocks:
        return "the model has no list or sequence of blocks to recompute one by one"
    for name, block in blocks.items():
        if any(isinstance(module, _BatchNorm) and module.track_running_stats for module in block.modules()):
            return f"the block {name!r} has a batch normalization, whose statistics would count each batch twice"
    return None


def with_blocks(recipe: Recipe, around: AroundBlock) -> Recipe:
    """Return the recipe with `around` running the forward pass of every block."""
    return recipe.with_surgery(partial(wrap_blocks, around=around), undo=partial(unwrap_forward, around=around))


@dataclass(frozen=True)
class ActivationCheckpointing:
    """ActivationCheckpointing the activations of each block in the backward pass."""

    card: ClassVar[Card] = Card(
        name="activation_checkpointing",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="recompute each block's activations in the backward pass, to save memory",
        source="Chen et al., 2016, arXiv:1604.06174",
        treats=("near_memory_limit",),
        needs=("a model with a list or sequence of blocks, without batch normalization in them",),
        conflicts=("activation_checkpointing_selective",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without blocks, and blocks with batch normalization."""
        return why_not(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Checkpoint the blocks."""
        return with_blocks(recipe, recomputed)


@dataclass(frozen=True)
class ActivationCheckpointingSelective:
    """ActivationCheckpointing only the cheap operations of each block in the backward pass."""

    card: ClassVar[Card] = Card(
        name="activation_checkpointing_selective",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="keep the results of products and attention, recompute what is cheap, to save memory",
        source="Korthikanti et al., 2022, arXiv:2205.05198",
        treats=("near_memory_limit",),
        needs=("a model with a list or sequence of blocks, without batch normalization in them",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without blocks, and blocks with batch normalization."""
        return why_not(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Checkpoint the blocks with a policy."""
        return with_blocks(recipe, recomputed_selectively)
