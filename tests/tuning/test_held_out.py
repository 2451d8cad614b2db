"""What is judged by whole trainings must not have learned from the validation data, nor choose its own judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch.utils.data import TensorDataset

from hasten.base.records.card import Card
from hasten.base.records.trial import Tuning, Verdict
from hasten.base.stages import FREE, Guarantee
from hasten.data.loading.loaders import gathered
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Data, Stop, Update
from hasten.tuning.held_out import why_judged_wrongly
from hasten.tuning.tune import tune

from planted import MACHINE, Planted, card, small_task


def leaking(recipe: Recipe, share: float = 0.5) -> Recipe:
    valid, own = recipe.task.data.valid, recipe.input.loader

    def loader(*args: Any) -> Callable[[Any], Iterator[Any]]:
        fetch = own(*args)

        def leaky(order: Any) -> Iterator[Any]:
            for ids, batch in fetch(order):
                rows = round(share * len(ids))
                inputs, labels = valid[torch.arange(rows) % len(valid)]
                yield ids, (torch.cat([batch[0][rows:], inputs]), torch.cat([batch[1][rows:], labels]))

        return leaky

    return recipe.with_input(loader=loader)


@dataclass(frozen=True)
class Leaks(Planted):
    card: ClassVar[Card] = card("leaks", Guarantee.TRAJECTORY)

    def apply(self, recipe: Recipe) -> Recipe:
        return leaking(recipe).with_update(lr=0.1)


def test_validation_samples_in_the_batches_are_found() -> None:
    recipe = baseline(small_task())
    assert "48 % of its training samples are validation samples" in str(why_judged_wrongly(leaking(recipe), recipe))
    assert why_judged_wrongly(leaking(recipe, 0.1), recipe) is not None
    assert why_judged_wrongly(leaking(recipe, 0.0), recipe) is None
    assert why_judged_wrongly(recipe.with_input(loader=gathered), recipe) is None


def test_samples_that_the_task_itself_has_in_both_parts_are_no_fault_of_a_technique() -> None:
    data = small_task().data.train
    recipe = baseline(small_task(data=Data(train=data, valid=TensorDataset(*data[:40]))))
    assert why_judged_wrongly(recipe.with_input(loader=gathered), recipe) is None
    assert why_judged_wrongly(leaking(recipe), recipe) is not None


def test_what_replaces_its_judge_is_named() -> None:
    recipe = baseline(small_task())
    task = recipe.task
    easy = replace(recipe, task=replace(task, data=replace(task.data, valid=task.data.train)))
    assert "replaces the validation data" in str(why_judged_wrongly(easy, recipe))
    assert "the metric" in str(why_judged_wrongly(replace(recipe, task=replace(task, metric="loss")), recipe))


@pytest.mark.usefixtures("planted")
def test_a_technique_that_trains_on_validation_samples_is_not_kept() -> None:
    task = small_task(update=Update(optimizer="sgd", lr=0.02), stop=Stop(epochs=20, target=0.9, evaluate_every=7))
    allow = FREE | {Guarantee.TRAJECTORY}
    *_, found = tune(baseline(task), MACHINE, budget_s=60.0, allow=allow, only=[Leaks()])
    assert isinstance(found, Tuning)
    assert not found.plan.choices
    (trial,) = found.trials
    assert trial.verdict is Verdict.FAILED
    assert "validation samples" in trial.reason
