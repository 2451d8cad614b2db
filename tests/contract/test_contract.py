"""The contract that every technique keeps, its own and those of other packages.

A technique that cannot pass a check says so on its card (`exceptions`: check -> reason), never here.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import pytest
import torch
import torch.distributed as dist
from torch import nn

from hasten import Task
from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch
from hasten.techniques.applying import apply_all, conflict, make
from hasten.techniques.registry import techniques
from hasten.training.building import build
from hasten.training.data_parallel import among
from hasten.training.description import described, described_layer
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import plain_model
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.technique import Technique
from hasten.tuning.gates import Reference, judge, loosest

from contract_tasks import MACHINES, TASKS, machine, wide


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


NAMES = sorted(techniques())
COMPILED = {"compile", "compile_regions"}
"""What takes a compiler many seconds: with others, only in the slow battery."""


@pytest.fixture(autouse=True, scope="module")
def _group_of_one() -> Iterator[None]:
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def starting(task: Task, *names: str) -> Recipe:
    """Return the baseline; for techniques of the stage `parallel`, that of a group of processes with one member."""
    recipe = baseline(task)
    if Stage.PARALLEL not in {techniques()[name].card.stage for name in names}:
        return recipe
    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return among(recipe, Processes(0, 1))


@cache
def first_usable(name: str) -> Callable[[], Task] | None:
    """Return the first task that the technique does not refuse on some machine, or None."""
    for here, task in itertools.product(MACHINES, TASKS):
        recipe = starting(task(), name)
        reason = make(name).refuse(recipe, here())
        if reason is None:
            return task
        assert reason.strip(), f"{name} refuses {recipe.task.name} without a reason"
    return None


def usable(name: str) -> Recipe | None:
    """Return the baseline of a task that the technique does not refuse, or None where every task is refused."""
    task = first_usable(name)
    return starting(task(), name) if task is not None else None


def with_technique(name: str) -> tuple[Recipe, Recipe]:
    """Return a baseline that the technique does not refuse, and the recipe with it; skips where there is none."""
    recipe = usable(name)
    if recipe is None:
        pytest.skip(f"{name} refuses every small task on this machine")
    return recipe, make(name).apply(recipe)


def looks(model: nn.Module) -> list[object]:
    """Return what somebody who ran or changed a model would have left behind in it."""
    layers = [
        (name, described_layer(one), one.training, len(one._forward_hooks)) for name, one in model.named_modules()
    ]
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [*layers, *((name, value.requires_grad, value.grad is None, described(value)) for name, value in tensors)]


@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=() if number % 3 == 0 else pytest.mark.slow) for number, task in enumerate(TASKS)]
)
def test_refusals_share_one_example_model_and_leave_it_as_it_was_built(task: Callable[[], Task]) -> None:
    recipe = baseline(task())
    shared = recipe.subject.model()
    for name, here in itertools.product(NAMES, MACHINES):
        make(name).refuse(recipe, here())
    assert recipe.subject.model() is shared
    assert looks(shared) == looks(recipe.subject.fresh_model())


def excepted(name: str, check: str) -> bool:
    return check in techniques()[name].card.exceptions


def steps(run: Session, count: int) -> list[float]:
    """Make so many steps as the loop does and return their mean losses."""
    losses: list[float] = []
    batches: Iterator[tuple[torch.Tensor, Batch]] = run.batches()
    with run.contexts:
        for _ in range(count):
            ids, batch = next(batches)
            run.set_learning_rate()
            loss = step(run, batch)
            losses.append(float(loss.sum) / loss.count)
            run.advance(len(ids), 0.0)
    return losses


def fast(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.slow) if name in COMPILED else name


EACH = [fast(name) for name in NAMES]
UNCOMPILED = [name for name in NAMES if name not in COMPILED]


def combined(pair: list[Technique], task: Task) -> Recipe | None:
    """Return the recipe with both techniques, or None if one of them refuses it on every machine."""
    for here in MACHINES:
        with suppress(Refused):
            return apply_all(pair, starting(task, *(one.card.name for one in pair)), here())
    return None


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_what_exists(name: str) -> None:
    card = techniques()[name].card
    assert {*card.conflicts, *card.after, *card.best_with, *card.pointless_beside} <= set(NAMES)
    assert name not in card.conflicts
    assert all(reason.strip() for reason in card.exceptions.values())
    assert card.idea
    assert card.source


@pytest.mark.parametrize("name", EACH)
def test_it_refuses_with_a_reason_or_trains_and_leaves_a_plain_model_whose_weights_load(name: str) -> None:
    recipe, changed = with_technique(name)
    before = replace(recipe)
    assert make(name).apply(recipe) != recipe
    assert recipe == before
    run = build(changed)
    assert all(torch.isfinite(torch.tensor(loss)) for loss in steps(run, 3))
    model = plain_model(run)
    recipe.task.model().load_state_dict(model.state_dict())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", EACH)
def test_parameters_keep_their_format_and_place_and_batches_stay_as_they_are(name: str) -> None:
    recipe, changed = with_technique(name)
    plain, run = build(recipe), build(changed)
    assert {(one.dtype, one.device) for one in run.model.parameters()} == {
        (one.dtype, one.device) for one in plain.model.parameters()
    }
    _, batch = next(run.batches())
    copies = [column.clone() for column in batch]
    with run.contexts:
        run.set_learning_rate()
        step(run, batch)
    assert all(torch.equal(old, new) for old, new in zip(copies, batch, strict=True))
    assert {one.dtype for one in run.model.parameters()} == {one.dtype for one in plain.model.parameters()}


@pytest.mark.parametrize("name", EACH)
def test_it_resumes_onto_the_same_losses(name: str) -> None:
    _, changed = with_technique(name)
    run = build(changed)
    steps(run, 3)
    state = deepcopy(run.state())
    expected = steps(run, 3)
    other = build(changed)
    other.load_state(state)
    assert steps(other, 3) == expected


ONE_OF_EACH_STAGE = {techniques()[name].card.stage: name for name in NAMES[::-1] if name not in COMPILED}.values()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ONE_OF_EACH_STAGE else pytest.mark.slow) for name in NAMES]
)
@pytest.mark.parametrize(("check", "other"), [("accumulation", "micro_batch"), ("clipping", "clip_norm")])
def test_it_works_with_accumulation_and_clipping_or_says_why_not(name: str, check: str, other: str) -> None:
    if name == other:
        return
    recipe, _ = with_technique(name)
    pair = [make(name), make(other)]
    reason = conflict([one.card for one in pair])
    if excepted(name, check):
        assert reason is not None
        return
    if reason is not None:
        return  # another way to do the same: the card says so, and the pairwise battery counts it
    both = combined(pair, recipe.task)
    assert both is None or all(torch.isfinite(torch.tensor(loss)) for loss in steps(build(both), 2))


def judged_on(name: str) -> Recipe | None:
    """Return the baseline that a guarantee is judged on, or None where every task is refused.

    A narrower format is judged on layers of a few hundred features. In layers of a dozen the rounding of the weights,
    the same in every batch, does not average out: there the gate rightly turns bf16 away.
    """
    recipe = starting(wide(), name)
    narrower = techniques()[name].card.guarantee is Guarantee.PRECISION
    return recipe if narrower and make(name).refuse(recipe, machine()) is None else usable(name)


PROVEN = [name for name in NAMES if loosest([techniques()[name].card.guarantee]) and not excepted(name, "gradients")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [fast(name) for name in PROVEN])
def test_it_keeps_its_guarantee(name: str) -> None:
    recipe = judged_on(name)
    if recipe is None:
        pytest.skip(f"{name} refuses what it would be judged on, on this machine")
    gate = judge(make(name).apply(recipe), techniques()[name].card.guarantee, Reference(recipe))
    assert gate.passed, gate.detail


@pytest.mark.slow
@pytest.mark.parametrize("place", range(1, len(UNCOMPILED)), ids=UNCOMPILED[1:])
def test_every_pair_makes_steps_or_says_that_it_does_not_go_together(place: int) -> None:
    for other in UNCOMPILED[:place]:
        pair = [make(other), make(UNCOMPILED[place])]
        if conflict([one.card for one in pair]) is not None:
            continue
        both = next((recipe for task in TASKS if (recipe := combined(pair, task())) is not None), None)
        if both is None:
            continue  # each of them says why, and the battery above has seen that it has words for it
        assert all(torch.isfinite(torch.tensor(loss)) for loss in steps(build(both), 2)), other


class Point:
    """An entry point of another package, as importlib.metadata gives it."""

    name, value, dist = "foreign", "foreign:Foreign", None

    def load(self) -> type:
        return Foreign


@dataclass(frozen=True)
class Foreign:
    """A technique of another package."""

    card: ClassVar[Card] = Card(
        name="foreign", stage=Stage.UPDATE, guarantee=Guarantee.TRAJECTORY, idea="halve the rate", source="a test"
    )

    def refuse(self, recipe: Recipe, machine: object) -> str | None:
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        assert recipe.update.lr is not None
        return replace(recipe, update=replace(recipe.update, lr=recipe.update.lr / 2))


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = {"hasten.techniques": [Point()]}
    monkeypatch.setattr("hasten.base.registry.entry_points", lambda group: found.get(group, []))
    techniques().reload()
    yield
    monkeypatch.undo()
    techniques().reload()


@pytest.mark.usefixtures("foreign")
def test_a_technique_of_another_package_comes_in_by_its_entry_point() -> None:
    assert list(techniques())[-1] == "foreign"
    task: Task = TASKS[0]()
    recipe = apply_all([make("foreign"), make("clip_norm")], baseline(task), machine())
    assert recipe.update.lr == task.update.lr / 2  # type: ignore[operator]
    assert all(torch.isfinite(torch.tensor(loss)) for loss in steps(build(recipe), 2))
