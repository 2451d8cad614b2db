"""Compute gradients only of the embedding rows that the batch looked up.

What it does
    Switches embeddings to sparse gradients: row numbers and their gradients instead of a matrix that is nearly all
    zeros. Gradient descent and Adagrad then update those rows alone.

Why it helps
    Writing, reading and updating a gradient of the whole vocabulary costs more than the rest of a small model's step.

When it hurts
    Small vocabularies, or batches that touch most rows: sorting the rows costs more than it saves.

Numerics
    The same update; repeated rows are summed in another order.

Known problems
    Only plain gradient descent and Adagrad: moments and weight decay would update the other rows too. Transforms of
    whole gradients (clipping, centralization) do not support sparse ones.

Source
    torch.nn.Embedding(sparse=True); Duchi et al., 2011, "Adaptive Subgradient Methods", for why Adagrad suits rare
    rows.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.model.replacing import shared_parameters
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

TAKES_SPARSE = frozenset({"sgd", "adagrad"})
"""Optimizers whose update of a row without gradient is none."""


def unchecked() -> AbstractContextManager[Any]:
    """Let torch take its own sparse gradients as they are: it warns until one says whether they are to be checked."""
    return torch.sparse.check_sparse_tensor_invariants(enable=False)


def make_sparse(model: nn.Module) -> nn.Module:
    """Let embeddings whose weights nobody else uses have sparse gradients, in place."""
    for module in _embeddings(model):
        module.sparse = True
    return model


def make_dense(model: nn.Module) -> nn.Module:
    """Let every embedding have dense gradients again, in place."""
    for module in _embeddings(model):
        module.sparse = False
    return model


def _embeddings(model: nn.Module) -> list[nn.Embedding | nn.EmbeddingBag]:
    shared = shared_parameters(model)
    found = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    return [module for module in found if id(module.weight) not in shared and not module.scale_grad_by_freq]


@dataclass(frozen=True)
class SparseEmbedding:
    """Compute gradients only of the embedding rows that the batch looked up."""

    card: ClassVar[Card] = Card(
        name="sparse_embedding",
        stage=Stage.MODEL,
        guarantee=Guarantee.ROUNDING,
        idea="sparse embedding gradients: only for the rows that the batch looked up",
        source="torch.nn.Embedding(sparse=True); Duchi et al., 2011",
        treats=("optimizer_heavy", "memory_hog"),
        needs=("gradient descent or Adagrad without weight decay", "an embedding whose weights nobody shares"),
        conflicts=("fused_optimizer", "fp16", "magnitude_pruning", "ema", "swa"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other optimizers, weight decay, and models without an own embedding."""
        update = recipe.update
        if not isinstance(update.optimizer, str) or update.optimizer.lower() not in TAKES_SPARSE:
            return f"only {' and '.join(sorted(TAKES_SPARSE))} leave rows without gradient alone"
        if update.options.get("weight_decay") or update.options.get("momentum") or update.options.get("fused"):
            return "weight decay, momentum and fused kernels need the whole gradient"
        if not _embeddings(recipe.subject.model()):
            return "the model has no embedding with weights of its own"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """ContextFactory the embeddings before training and back after it."""
        return recipe.with_surgery(make_sparse, undo=make_dense).with_context(unchecked)

    def source(self, recipe: Recipe) -> Source:
        """Return the change of the model."""
        return Source(
            copies=(make_sparse,),
            settings="torch.sparse.check_sparse_tensor_invariants.disable()",
            model="model = make_sparse(model)",
        )
