"""Augmented batches are the same whether made ahead, resumed, or cut into batches of another size."""

import threading
from dataclasses import replace
from itertools import islice
from time import perf_counter, sleep
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task
from hasten.base.errors import BadInput
from hasten.data.augmentation.draws import Augment, Draws
from hasten.data.augmentation.images import Flip, PadCrop
from hasten.data.augmentation.mixing import MixUp
from hasten.data.augmentation.normalize import Normalize
from hasten.data.batch import Batch
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.loop import train
from hasten.training.loss import CrossEntropy
from hasten.training.marks import PARTS
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session

from tiny_tasks import block_task, mlp_task


def picture_task(*augment: Augment, **changes: object) -> Task:
    images = torch.randint(0, 256, (50, 6, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))
    labels = torch.arange(50) % 4
    task = mlp_task(
        data=Data(train=TensorDataset(images, labels), valid=TensorDataset(images[:9], labels[:9])),
        model=lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)),
        augment=augment or (PadCrop(2), Flip()),
        batch_transforms=(Normalize((120.0,) * 3, (60.0,) * 3),),
    )
    return replace(task, **changes)


def samples(run: Session, count: int) -> list[tuple[int, torch.Tensor]]:
    """Return the next `count` batches sample by sample, moving the place on."""
    seen: list[tuple[int, torch.Tensor]] = []
    for ids, batch in islice(run.batches(), count):
        seen += zip(ids.tolist(), batch[0], strict=True)
        run.advance(len(ids), 0.0)
    return seen


def assert_same(mine: list[tuple[int, torch.Tensor]], theirs: list[tuple[int, torch.Tensor]]) -> None:
    for (own_id, own), (other_id, other) in zip(mine, theirs, strict=True):
        assert own_id == other_id
        assert torch.equal(own, other)


def ahead(recipe: Recipe, depth: int = 3) -> Recipe:
    return make("prefetch", {"depth": depth}).apply(recipe)


@pytest.mark.parametrize("depth", [1, 3, 20])
def test_batches_made_ahead_train_the_same_model_bit_for_bit(depth: int) -> None:
    for task in (picture_task(), block_task(dropout=0.3)):
        trained: list[list[torch.Tensor]] = []
        for recipe in (baseline(task), ahead(baseline(task), depth)):
            run = build(recipe)
            list(train(run))
            trained.append([parameter.detach() for parameter in run.parameters])
        assert all(torch.equal(plain, other) for plain, other in zip(*trained, strict=True))
    assert not [thread for thread in threading.enumerate() if thread.name == "hasten-prefetch"]


def test_every_epoch_has_its_own_augmentation_and_validation_has_none() -> None:
    run = build(baseline(picture_task()))
    first, second = dict(samples(run, 7)), dict(samples(run, 7))
    same = sum(torch.equal(first[place], second[place]) for place in range(50))
    assert same < 15
    valid = torch.cat([batch[0] for batch in run.validation_batches()])
    normalize = run.recipe.task.batch_transforms[0]
    assert torch.equal(valid, normalize(run.recipe.task.data.valid[:])[0])


@pytest.mark.parametrize("batch_size", [2, 4, 12])
@pytest.mark.parametrize("prefetch", [False, True])
def test_a_run_resumes_onto_the_same_samples_at_every_step_with_any_batch_size(batch_size: int, prefetch: bool) -> None:
    recipe = baseline(picture_task())
    whole = samples(build(recipe), 14)
    for step in range(7):
        run = build(recipe)
        samples(run, step)
        place = replace(run.position)
        recipe_then = replace(recipe, input=replace(recipe.input, batch_size=batch_size))
        resumed = build(ahead(recipe_then) if prefetch else recipe_then)
        resumed.position = place
        left = -(-(50 - 8 * step) // batch_size)
        assert_same(samples(resumed, left), whole[8 * step : 50])
        assert_same(samples(resumed, 2), whole[50 : 50 + 2 * batch_size])


def slowly(batch: Batch, draws: Draws) -> Batch:
    sleep(0.03)
    return batch


@pytest.mark.parametrize(("prefetch", "part"), [(False, "transfer"), (True, "input")])
def test_a_profile_counts_augmentation_as_transfer_and_waiting_for_it_as_input(prefetch: bool, part: str) -> None:
    recipe = baseline(picture_task(slowly, stop=Stop(steps=5)))
    run = build(ahead(recipe) if prefetch else recipe)
    spent, last = dict.fromkeys(PARTS, 0.0), perf_counter()

    def mark(number: int) -> None:
        nonlocal last
        now = perf_counter()
        spent[PARTS[number]] += now - last
        last = now

    list(train(run, mark))
    assert spent[part] > 0.09


def test_refusals_name_the_reason() -> None:
    class Random:
        def __call__(self, batch: Batch, draws: Draws) -> Batch:
            return batch[0], batch[1] + 0 * torch.randint(0, 2, batch[1].shape)

    machine, state = facts(), torch.get_rng_state()
    refuse = make("prefetch").refuse
    assert refuse(baseline(picture_task()), machine) is None
    assert "built only once" in (refuse(baseline(picture_task(batch_size=None)), machine) or "")
    assert "global random generators" in (refuse(baseline(picture_task(Random())), machine) or "")
    assert "is on cpu" in (make("resident").refuse(baseline(picture_task()), machine) or "")
    assert torch.equal(state, torch.get_rng_state())


class Noise:
    """A batch transform with a generator of its own."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, batch: Batch) -> Batch:
        return batch[0] + torch.rand((), generator=self.generator), batch[1]


class Taken(torch.utils.data.Dataset[Any]):
    """Samples that can be gathered, with a generator of their own."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return tuple(column[0] for column in self.take(torch.tensor([index])))

    def take(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return ids[:, None] + torch.rand(len(ids), 5, generator=self.generator), ids % 2


class Counting(torch.utils.data.Dataset[Any]):
    """Samples that depend on how many were read before."""

    def __init__(self) -> None:
        self.calls = 0

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        return torch.full((5,), float(self.calls)), torch.tensor(index % 2)


class Lazy(Counting):
    """Samples that are kept, in a file that is opened by the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.opened, self.kept = False, dict[int, float]()

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        self.opened = True
        return torch.full((5,), self.kept.setdefault(index, float(index))), torch.tensor(index % 2)


def test_what_making_a_batch_changes_is_not_made_ahead_of_a_checkpoint() -> None:
    def refused(task: Task, *names: str) -> str:
        recipe = baseline(task)
        for name in names[:-1]:
            recipe = make(name).apply(recipe)
        return make(names[-1]).refuse(recipe, facts()) or ""

    def task_of(train: torch.utils.data.Dataset[Any], **changes: Any) -> Task:
        return mlp_task(data=Data(train=train, valid=mlp_task().data.valid), **changes)

    noise = Noise()
    state = noise.generator.get_state()
    assert "making a batch changes batch transforms.0.generator" in refused(
        mlp_task(batch_transforms=(noise,)), "prefetch"
    )
    assert torch.equal(noise.generator.get_state(), state)
    counting = Counting()
    assert "making a batch changes training data.calls" in refused(task_of(counting), "prefetch")
    assert counting.calls == 0
    assert "training data.generator" in refused(task_of(Taken()), "batched_gather", "prefetch")
    assert "reading samples changes training data.generator" in refused(task_of(Taken()), "batched_gather")
    for name in ("loader_workers", "loader_process", "loader_threads", "fastest_loader"):
        assert "reading samples changes training data.calls" in refused(task_of(Counting()), name)
        assert refused(task_of(Lazy()), name) == ""
    assert refused(task_of(Lazy()), "prefetch") == ""


def test_random_samples_are_not_read_in_a_thread_whichever_loader_reads_them() -> None:
    task = mlp_task(data=Data(train=Random(), valid=mlp_task().data.valid))
    recipe = make("fastest_loader").apply(baseline(task))
    assert "the samples draw random numbers" in (make("prefetch").refuse(recipe, facts()) or "")
    workers = make("loader_workers", {"workers": 1}).apply(baseline(task))
    assert make("prefetch").refuse(workers, facts()) is None


class Random(Counting):
    """Samples with noise from the global generator."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return torch.randn(5), torch.tensor(index % 2)


def test_mixed_targets_count_samples_in_the_loss() -> None:
    output, target = torch.randn(6, 4), torch.softmax(torch.randn(6, 4), 1)
    loss = CrossEntropy()(output, (output, target))
    assert loss.count == 6
    torch.testing.assert_close(loss.sum / 6, nn.functional.cross_entropy(output, target))
    task = picture_task(MixUp(4, alpha=1))
    check(task)
    list(train(build(baseline(task))))


def test_check_prepares_augments_and_says_what_fails() -> None:
    check(picture_task())
    with pytest.raises(BadInput, match="the training data after Task.augment must be prepared"):
        check(picture_task(lambda batch, draws: (batch[0][:, :2], batch[1])))
    with pytest.raises(BadInput, match="Task.batch_transforms must take a batch of the training data"):
        check(picture_task(batch_transforms=(lambda batch: batch[7],)))


@pytest.mark.gpu
@pytest.mark.parametrize("names", [("prefetch",), ("resident",), ("resident", "prefetch")])
def test_on_a_gpu_batches_are_the_same(names: tuple[str, ...]) -> None:
    recipe = baseline(picture_task(), device="cuda")
    expected, changed = samples(build(recipe), 14), recipe
    for name in names:
        assert make(name).refuse(changed, facts()) is None
        changed = make(name).apply(changed)
    assert_same(samples(build(changed), 14), expected)
    on_cpu = samples(build(baseline(picture_task())), 14)
    for (_, own), (_, other) in zip(expected, on_cpu, strict=True):
        torch.testing.assert_close(own.cpu(), other)
