"""Recomputation to a budget: the measured peak decides."""

import re

import torch
from torch import nn

from hasten import Task
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.backward.activation_checkpointing import recomputed
from hasten.techniques.backward.activation_checkpointing_budget import (
    counts_to_try,
    fewest,
    peak_of,
    recompute_some,
    within_budget,
)
from hasten.techniques.blocks import repeated_blocks
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, mlp_task


def task(blocks: int = 5) -> Task:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down, self.drop = nn.Linear(12, 96), nn.Linear(96, 12), nn.Dropout(0.1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.drop(self.down(torch.nn.functional.gelu(self.up(x))))

    def model() -> nn.Module:
        return nn.Sequential(nn.Embedding(11, 12), nn.Sequential(*(Block() for _ in range(blocks))), nn.Linear(12, 11))

    return block_task(model=model, batch_size=20)


def recomputed_blocks(model: nn.Module) -> int:
    return sum(type(one).__dict__.get("wrapped_by") is recomputed for one in repeated_blocks(model).values())


def test_the_fewest_blocks_within_the_budget_are_recomputed() -> None:
    recipe = baseline(task())
    peaks = [peak_of(recompute_some(recipe.subject.fresh_model(), count), recipe) for count in range(6)]
    assert peaks[5] < 0.5 * peaks[0]
    found = [
        recomputed_blocks(within_budget(recipe.subject.fresh_model(), recipe=recipe, budget=share))
        for share in (0.9, 0.6)
    ]
    for count, share in zip(found, (0.9, 0.6), strict=True):
        assert peaks[count] <= share * peaks[0]
        assert all(peak > share * peaks[0] for peak in peaks[:count])
    assert 0 < found[0] < found[1] < 5


def test_training_has_the_same_bits_and_undo_leaves_plain_blocks() -> None:
    recipe = baseline(task())
    technique = make("activation_checkpointing_budget", {"budget": 0.6})
    assert technique.refuse(recipe, facts()) is None
    plain = build(recipe)
    list(train(plain))
    run = build(technique.apply(recipe))
    list(train(run))
    assert recomputed_blocks(run.model) > 0
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
    assert recomputed_blocks(plain_model(run)) == 0


def test_a_budget_that_no_number_of_blocks_meets_is_refused_with_the_best() -> None:
    reason = str(make("activation_checkpointing_budget", {"budget": 0.05}).refuse(baseline(task()), facts()))
    assert re.search(r"to \d\d% of the plain one at best, above 5%", reason)


def test_peaks_that_are_not_monotonic_are_taken_as_they_are() -> None:
    assert fewest([(0, 100), (1, 90), (2, 120), (3, 60), (4, 80)], 0.7) == 3
    assert fewest([(0, 100), (1, 90)], 0.5) is None


def test_counts_reach_from_none_to_all() -> None:
    assert counts_to_try(3) == [0, 1, 2, 3]
    tried = counts_to_try(48)
    assert tried[0] == 0
    assert tried[-1] == 48
    assert len(tried) == 9


def test_models_without_blocks_are_refused() -> None:
    assert "no list or sequence" in str(make("activation_checkpointing_budget").refuse(baseline(mlp_task()), facts()))
