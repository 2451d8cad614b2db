import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import hasten.techniques
from hasten import Data, Stop
from hasten.base.errors import Refused
from hasten.base.seeds import random_state, seed_all
from hasten.training.building import build
from hasten.training.description import described
from hasten.training.recipe import Recipe, baseline
from hasten.training.subject import Newest, Subject

from tiny_tasks import mlp_task

CHANGES_THE_STOP_RULES = {"update/one_cycle.py", "input/batch_size.py"}
"""What rewrites the stop rules of the run must read them as they were written, in epochs or in steps."""


class Counted(TensorDataset):
    reads = 0

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        self.reads += 1
        return super().__getitem__(index)


def counted() -> tuple[Recipe, list[int], Counted]:
    """Return a recipe, the seeds that its models were built from, and its training data."""
    built: list[int] = []

    def model() -> nn.Module:
        built.append(torch.initial_seed())
        return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    train = Counted(torch.rand(50, 4), torch.randint(2, (50,)))
    return baseline(mlp_task(model=model, data=Data(train=train, valid=train))), built, train


def doubled(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.data *= 2
    return model


def test_copies_of_a_recipe_share_its_example_model() -> None:
    recipe, built, _ = counted()
    model = recipe.subject.model()
    others = (recipe.with_stop(steps=3), recipe.with_update(lr=0.5), recipe.with_input(batch_size=2))
    assert all(one.subject.model() is model for one in others)
    assert len(built) == 1


def test_a_surgery_has_a_model_of_its_own_and_leaves_the_plain_one_as_it_is() -> None:
    recipe, built, _ = counted()
    plain = [value.clone() for value in recipe.subject.model().parameters()]
    changed = recipe.with_surgery(doubled)
    for one, other in zip(changed.subject.model().parameters(), plain, strict=True):
        assert torch.equal(one, 2 * other)
    assert changed.with_stop(steps=3).subject.model() is changed.subject.model()
    assert all(map(torch.equal, recipe.subject.model().parameters(), plain))
    assert len(built) == 2


def test_the_example_is_the_model_that_a_run_starts_with_also_of_another_seed() -> None:
    recipe, _, _ = counted()
    for one in (recipe, replace(recipe, task=replace(recipe.task, seed=7))):
        started = build(one).model
        assert all(map(torch.equal, one.subject.model().parameters(), started.parameters()))


def test_a_fresh_model_is_the_callers_own() -> None:
    recipe, _, _ = counted()
    doubled(recipe.subject.fresh_model())
    assert all(map(torch.equal, recipe.subject.model().parameters(), recipe.subject.fresh_model().parameters()))


def test_a_batch_is_loaded_once_and_is_the_callers_own() -> None:
    recipe, _, train = counted()
    recipe.subject.batch()[0].zero_()
    reads = train.reads
    assert torch.equal(recipe.with_stop(steps=3).subject.batch()[0], train.tensors[0][:2])
    assert train.reads == reads
    assert torch.equal(recipe.with_batch_transform(lambda b: (b[0] + 1, b[1])).subject.batch()[0][0], train[0][0] + 1)


def test_a_batch_has_no_more_samples_than_the_data() -> None:
    recipe, _, train = counted()
    assert len(recipe.subject.batch(80)[0]) == len(recipe.subject.raw_batch(80)[0]) == len(train)


def test_examples_leave_the_global_generators_untouched() -> None:
    recipe, _, _ = counted()
    seed_all(3)
    before = described(random_state())
    recipe.subject.model()
    recipe.subject.batch()
    assert described(random_state()) == before


def test_facts_follow_the_recipe() -> None:
    recipe = baseline(mlp_task(samples=50, batch_size=8, stop=Stop(epochs=3)))
    assert (recipe.subject.steps_per_epoch, recipe.subject.planned_steps) == (7, 21)
    assert recipe.with_input(batch_size=25).subject.planned_steps == 6
    assert recipe.with_stop(steps=4).subject.planned_steps == 4
    by_time = recipe.with_stop(epochs=None, seconds=2.0).subject
    assert (by_time.planned_steps, by_time.seconds, by_time.has_length) == (None, 2.0, True)


def test_what_a_subject_does_not_know_is_refused_by_name() -> None:
    unknown = Subject(name="loop")
    assert (unknown.planned_steps, unknown.steps_per_epoch, unknown.has_length) == (None, None, False)
    for ask in (unknown.model, unknown.fresh_model, unknown.batch, unknown.train_data, unknown.valid_data):
        with pytest.raises(Refused, match="'loop' gives no"):
            ask()


def test_only_the_newest_examples_are_kept() -> None:
    newest, made = Newest(2), list[int]()
    parts = [(object(),) for _ in range(3)]
    for turn in (0, 1, 0, 2, 0, 1):  # 2 takes the place of 1, which was asked for longer ago than 0
        newest.get(parts[turn], 0, lambda turn=turn: made.append(turn))
    assert made == [0, 1, 2, 1]


def test_what_is_cached_does_not_show_in_the_description_of_a_recipe() -> None:
    recipe = baseline(mlp_task())
    before = described(recipe)
    recipe.subject.model()
    assert described(recipe) == before


def test_techniques_ask_the_subject_and_not_the_task() -> None:
    room = Path(next(iter(hasten.techniques.__path__)))
    readers = {
        str(path.relative_to(room))
        for path in room.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "task" and ast.unparse(node.value).endswith("recipe")
    }
    assert readers == CHANGES_THE_STOP_RULES
