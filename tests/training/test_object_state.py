"""State outside any `state_dict` is saved: a run that resumes equals an unbroken one, whoever holds the state."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from hasten import Data, Plan, Stop, Task, Update
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.records.notices import Note
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.replay import difference_between_replays
from hasten.training.running import run_training
from hasten.training.session import Session

from tiny_tasks import mlp_task


class Counting(nn.Module):
    """A model whose output depends on how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(5, 2), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.layer(x) / (1 + self.calls)


class Unsaved(nn.Module):
    """A buffer that is not persistent, a tensor that is no buffer, and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)
        self.register_buffer("mean", torch.zeros(5), persistent=False)
        self.last, self.history = torch.zeros(5), [0.0]

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
            self.last = x[0] * 0.1
            self.history.append(float(x.mean()))
        return self.layer(x - self.mean + self.last + sum(self.history) / len(self.history))


class Generators(nn.Module):
    """Noise from generators of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)
        self.sources: list[Any] = [np.random.default_rng(3), np.random.RandomState(3), random.Random(3)]
        self.sources.append(np.random.Generator(np.random.MT19937(3)))
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(5, generator=self.generator)
        return self.layer(
            x
            + 0.1 * noise
            + 0.1 * sum(float(source.random()) for source in self.sources[:3])
            + self.sources[3].random()
        )


class Balanced(nn.Module):
    """A loss that remembers how hard each class was."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(2))
        self.calls = 0

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        each = F.cross_entropy(output, target, reduction="none")
        if output.requires_grad:
            self.calls += 1
            self.weight.index_add_(0, target, each.detach() * 0.1)
        return (each * self.weight[target]).mean() / (1 + 0.01 * self.calls)


def closing() -> Callable[[Tensor, Tensor], Tensor]:
    calls = 0

    def loss(output: Tensor, target: Tensor) -> Tensor:
        nonlocal calls
        calls += output.requires_grad
        return F.cross_entropy(output, target) / (1 + 0.1 * calls)

    return loss


class Noisy(Dataset[Any]):
    """Samples with noise from a generator of the data set's own."""

    def __init__(self, generator: Any) -> None:
        self.x, self.y = mlp_task().data.train.tensors  # type: ignore[attr-defined]
        self.transform = Transform(generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.x[index]), self.y[index]


drawn = np.random.default_rng(0)


class Drawing(Noisy):
    """Noise from a generator of the module: no attribute holds it, but each batch seeds it."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + drawn.random(), self.y[index]


class Transform:
    def __init__(self, generator: Any) -> None:
        self.generator, self.calls = generator, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + float(self.generator.random()) + 0.01 * self.calls


class Stateful:
    """Has the two methods of torch's protocol; what they save is nowhere else to be found."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = 0

    def random(self) -> float:
        self._calls += 1
        return 0.1 * self._calls

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._calls = state["calls"]


class Global:
    """Draws from the global generators of torch, numpy and Python."""

    def random(self) -> float:
        return float(torch.rand(())) + np.random.rand() + random.random()


class Decaying(torch.optim.SGD):
    """An optimizer that counts outside its state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.made = 0

    def step(self, closure: Any = None) -> None:
        self.made += 1
        self.param_groups[0]["lr"] = 0.1 / self.made
        super().step()


def noisy(generator: Callable[[], Any]) -> Task:
    return mlp_task(data=Data(train=Noisy(generator()), valid=mlp_task().data.valid))


TASKS: dict[str, Callable[[], Task]] = {
    "a counter in the model": lambda: mlp_task(model=Counting),
    "tensors and lists in the model": lambda: mlp_task(model=Unsaved),
    "generators in the model": lambda: mlp_task(model=Generators),
    "a loss module with memory": lambda: mlp_task(loss=Balanced()),
    "a variable that the loss closes over": lambda: mlp_task(loss=closing()),
    "a data set with numpy's generator": lambda: noisy(lambda: np.random.default_rng(5)),
    "a data set with Python's generator": lambda: noisy(lambda: random.Random(5)),
    "a data set with an object that saves itself": lambda: noisy(Stateful),
    "a data set with the module's generator": lambda: mlp_task(
        data=Data(train=Drawing(None), valid=mlp_task().data.valid)
    ),
    "a data set with the global generators": lambda: noisy(Global),
    "a counter in the optimizer": lambda: mlp_task(update=Update(optimizer=lambda model: Decaying(model), lr=None)),
}


def interrupted(run: Session, steps: int) -> dict[str, Any]:
    for _ in train(run, lambda mark: setattr(run, "interrupted_by", 2 if run.position.step >= steps - 1 else None)):
        pass
    return deepcopy(run.state())


@pytest.mark.parametrize("steps", [pytest.param(5, marks=pytest.mark.slow), 14])
@pytest.mark.parametrize("name", TASKS)
def test_state_of_the_persons_own_objects_resumes(name: str, steps: int) -> None:
    whole = build(baseline(TASKS[name]()))
    list(train(whole))
    state = interrupted(build(baseline(TASKS[name]())), steps)
    resumed = build(baseline(TASKS[name]()))
    resumed.load_state(state)
    assert difference_between_replays(resumed, state) is None
    list(train(resumed))
    for mine, theirs in zip(resumed.parameters, whole.parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_the_same_objects_can_be_trained_on_twice() -> None:
    """In one process the second run starts with objects that the first one has moved."""
    task = TASKS["a data set with numpy's generator"]()
    whole = build(baseline(TASKS["a data set with numpy's generator"]()))
    list(train(whole))
    state = interrupted(build(baseline(task)), 5)
    resumed = build(baseline(task))
    resumed.load_state(state)
    list(train(resumed))
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters, whole.parameters, strict=True))


def test_options_that_do_not_change_are_no_state() -> None:
    task = mlp_task(model=Counting)
    run = build(baseline(task))
    assert run.objects.state() == {}
    interrupted(run, 3)
    assert run.objects.state() == {"model.calls": 3}


def test_a_system_generator_has_no_state() -> None:
    assert ObjectState({"data": (Noisy(random.SystemRandom()), Tensors.NONE)}).state() == {}


def test_an_object_without_end_is_walked_once() -> None:
    class Node:
        def __init__(self) -> None:
            self.value, self.next = 0, self

    node = Node()
    state = ObjectState({"node": (node, Tensors.NONE)})
    node.value = 4
    assert state.state() == {"node.value": 4}
    state.load_state({})
    assert node.value == 0


calls = 0


def with_global(output: Tensor, target: Tensor) -> Tensor:
    global calls
    calls += output.requires_grad
    return F.cross_entropy(output, target) / (1 + 0.1 * calls)


class Counted(Noisy):
    """Samples that depend on a global variable."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        global calls
        calls += 1
        return self.x[index] + 0.01 * calls, self.y[index]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"loss": with_global}, "the model or the loss"),
        ({"data": Data(train=Counted(None), valid=mlp_task().data.valid)}, "the data set or its augmentation"),
    ],
)
def test_what_cannot_be_saved_is_found_by_repeating_a_step(tmp_path, changes: dict[str, Any], what: str) -> None:
    recipe = baseline(mlp_task(**changes))
    plan, notes = Plan(task="tiny"), list[str]()

    def show(event: object) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    run_training(recipe, plan, show=show, folder=tmp_path)
    assert notes == []
    longer = replace(recipe, task=replace(recipe.task, stop=Stop(epochs=4)))
    run_training(longer, plan, show=show, folder=tmp_path, resume=True)
    found = [note for note in notes if "differ from an uninterrupted one" in note]
    assert len(found) == 1
    assert what in found[0]
