"""Recompute as few blocks as a memory budget asks for.

What it does
    Before training, measures the peak memory of a forward and backward pass with more and more blocks recomputed, and
    takes the fewest with which it is within `budget` of the plain peak.

Why it helps
    Recomputing every block costs a third more arithmetic; a budget that half of them meets costs a sixth.

When it hurts
    Useless where memory is not short. The passes that measure take time before the first step.

Numerics
    The same operations on the same numbers, random numbers included: bit for bit.

Known problems
    More recomputation does not always mean a lower peak: what the backward pass of a recomputed block needs at once can
    exceed what keeping it would. The measured peak decides, not the number of blocks. Blocks that are not the same
    when they run a second time are refused, as by `activation_checkpointing`.

Source
    Chen et al., 2016, arXiv:1604.06174; the choice by measured peaks in place of a model of memory (as in
    torch._functorch.config.activation_memory_budget, whose peak is not monotonic in its budget: pytorch issue 197838).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import split_batch
from hasten.measurement.memory import peak_memory
from hasten.techniques.backward.activation_checkpointing import recomputed, why_not
from hasten.techniques.blocks import repeated_blocks, unwrap_forward, wrap_forward
from hasten.training.calls import Function
from hasten.training.inspection import copy_of
from hasten.training.recipe import Recipe

TRIED = 8
"""Numbers of recomputed blocks, beside none, whose peak is measured."""


def counts_to_try(blocks: int) -> list[int]:
    """Return none, at most `TRIED` numbers in between in even steps, and all."""
    steps = min(blocks, TRIED)
    return [round(step * blocks / steps) for step in range(steps + 1)]


def recompute_some(model: nn.Module, count: int) -> nn.Module:
    """Let the first `count` repeated blocks keep only their input, in place.

    The first ones: what they keep is held longest, until the backward pass comes to them last.
    """
    for block in list(repeated_blocks(model).values())[:count]:
        wrap_forward(block, recomputed)
    return model


def peak_of(model: nn.Module, recipe: Recipe) -> int:
    """Return the peak of a forward and backward pass of the recipe's batch on the CPU, the model's own bytes left out.

    Activations have the same bytes on every device, but for scratch memory inside of operations.
    """
    batch = split_batch(recipe.subject.batch(recipe.input.batch_size), recipe.backward.micro_batch)[0]
    predict, loss = _wrapped(recipe.forward.predict, recipe), _wrapped(recipe.forward.loss, recipe)

    def run() -> None:
        loss(predict(model, batch), batch).sum.backward()

    measured = peak_memory(run)
    return measured.peak_bytes - measured.resident_bytes


def _wrapped(function: Function, recipe: Recipe) -> Function:
    for around in recipe.forward.wrappers:
        function = around(function)
    return function


def fewest(peaks: Sequence[tuple[int, int]], budget: float) -> int | None:
    """Return the smallest count whose peak is within `budget` of the first one's, of (count, peak) pairs; or None."""
    allowed = budget * peaks[0][1]
    return next((count for count, peak in peaks if peak <= allowed), None)


def choose(model: nn.Module, *, recipe: Recipe, budget: float) -> tuple[int | None, float]:
    """Return how few blocks to recompute, or None, and the least peak that was measured, as a share of the plain one.

    The model stays as it is. Measuring ends with the first number that is within the budget.
    """
    peaks: list[tuple[int, int]] = []
    with preserved():
        for count in counts_to_try(len(repeated_blocks(model))):
            peaks.append((count, peak_of(recompute_some(copy_of(model), count), recipe)))
            if fewest(peaks, budget) is not None:
                break
    return fewest(peaks, budget), min(peak for _, peak in peaks) / peaks[0][1]


def within_budget(model: nn.Module, *, recipe: Recipe, budget: float) -> nn.Module:
    """Recompute as few blocks of the model as the budget asks for, in place."""
    count, _ = choose(model, recipe=recipe, budget=budget)
    assert count is not None, "refused otherwise"
    return recompute_some(model, count)


@dataclass(frozen=True)
class ActivationCheckpointingBudget:
    """Recompute as few blocks as a memory budget asks for."""

    budget: Annotated[float, Meta(gt=0, lt=1, description="peak allowed, as a share of the plain one")] = 0.7

    card: ClassVar[Card] = Card(
        name="activation_checkpointing_budget",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="checkpoint as few blocks as a memory budget requires, by measured peaks",
        source="Chen et al., 2016, arXiv:1604.06174",
        treats=("near_memory_limit",),
        needs=("a model with a list or sequence of blocks that compute the same when they run twice",),
        conflicts=(
            "activation_checkpointing",
            "activation_checkpointing_selective",
            "compile",
            "compile_regions",
            "cuda_graphs",
        ),
        after=("micro_batch",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse as `activation_checkpointing` does, and budgets that no number of blocks meets."""
        reason = why_not(recipe, recomputed)
        if reason is not None:
            return reason
        count, least = choose(recipe.subject.model(), recipe=recipe, budget=self.budget)
        if count is None:
            return f"recomputing blocks takes the peak to {least:.0%} of the plain one at best, above {self.budget:.0%}"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Choose the blocks when the model is built."""
        change = partial(within_budget, recipe=recipe, budget=self.budget)
        return recipe.with_surgery(change, undo=partial(unwrap_forward, around=recomputed))
