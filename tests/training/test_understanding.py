"""What `hasten.check` says of a task: each fact that it finds out, and that it leaves no trace."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import hasten
from hasten import Data, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.task_check import TaskCheck
from hasten.base.seeds import random_state, same_random_state
from hasten.report.terminal.task_check import task_check_view

from tiny_tasks import mlp_task

X = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
Y = torch.arange(40) % 2


class Fields(Dataset[Any]):
    """Samples that are dictionaries, with a text and a mask."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return {"x": X[index], "text": "a", "boxes": {"at": X[index]}, "labels": Y[index]}


class Named(nn.Module):
    """Takes two fields of the batch by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor, text: list[str], boxes: dict[str, Tensor]) -> Tensor:
        return self.layer(x + boxes["at"])


class Parts(nn.Module):
    """Two branches of which one is used, and a part without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.frozen = nn.Linear(5, 2), nn.Linear(5, 2), nn.Linear(5, 5).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(self.frozen(x))


def test_a_plain_task_is_understood() -> None:
    found = hasten.check(mlp_task())
    assert [(leaf.path, leaf.what, leaf.target) for leaf in found.batch] == [
        ("batch[0]", "(8, 5) float32", False),
        ("batch[1]", "(8,) int64", True),
    ]
    assert (found.batch_size, found.target, found.call, found.output) == (
        8,
        "batch[1]",
        "model(batch[0])",
        "(8, 2) float32",
    )
    assert (found.train_samples, found.steps_per_epoch, found.valid_samples) == (50, 7, 20)
    assert found.train == "TensorDataset, shuffled, no workers"
    assert found.divides_by == "the labels that are not -100"
    assert found.optimizer == "Adam, learning rate 0.01, 4 tensors"
    assert (found.schedule, found.metric, found.stop) == ("fixed", "accuracy, higher is better", "3 epochs")
    assert (found.without_gradient, found.not_in_optimizer, found.not_in_model, found.kept) == ((), (), (), ())
    assert found.first_loss == pytest.approx(0.69, abs=0.2)


def test_fields_of_a_mapping_are_named_and_given_by_name() -> None:
    task = mlp_task(
        data=Data(train=DataLoader(Fields(), 8, shuffle=True), valid=Fields()),
        model=Named,
        batch_size=8,
    )
    found = hasten.check(task)
    assert [leaf.path for leaf in found.batch] == [
        "batch['x']",
        "batch['text']",
        "batch['boxes']['at']",
        "batch['labels']",
    ]
    assert found.batch[1].what == "list of 8 str"
    assert found.target == "batch['labels']"
    assert found.call == "model(x=batch['x'], text=batch['text'], boxes=batch['boxes'])"
    assert "your DataLoader over Fields, in the order of its RandomSampler" in found.train
    assert found.replaceable == (
        "how your DataLoader reads: its workers, collation and pinning. The batches stay the same.",
    )


def test_parameters_that_are_not_trained_are_named() -> None:
    outside = nn.Parameter(torch.zeros(3))
    task = mlp_task(
        model=Parts,
        update=Update(
            optimizer=lambda model: optim.SGD([model.used.weight, *model.unused.parameters(), outside], lr=0.1)
        ),
    )
    found = hasten.check(task)
    assert found.without_gradient == ("unused.weight", "unused.bias")
    assert found.not_in_optimizer == ("used.bias",)
    assert found.not_in_model == ("(3,) float32",)
    assert found.frozen == 30
    shown = screen(found)
    assert "2 trained parameters got no gradient in the first step: unused.weight, unused.bias." in shown
    assert "the optimizer does not hold used.bias: not trained." in shown
    assert "the optimizer holds (3,) float32 that the model does not have" in shown


def contrast(model: nn.Module, batch: Any) -> Tensor:
    out = model(batch[0])
    return F.cross_entropy(out @ out.T, torch.arange(len(out)))


def weighted(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, ignore_index=-100)


@pytest.mark.parametrize(
    ("changes", "divides_by", "why_not"),
    [
        ({"loss": weighted}, "the labels that are not -100", ""),
        ({"loss": lambda output, target: F.mse_loss(output[:, 0], target.float())}, "the samples", ""),
        ({"objective": contrast}, None, "the loss of a batch is not the mean of the losses of its parts"),
        ({"objective": lambda model, batch: (model(batch[0]).mean(), 8)}, "the count that it returns", ""),
        ({"loss": hasten.CrossEntropy(weight=(1.0, 2.0))}, "the class weights of the labels that are not -100", ""),
    ],
)
def test_what_the_loss_divides_by_is_said_or_why_it_is_not_known(
    changes: dict[str, Any], divides_by: str | None, why_not: str
) -> None:
    found = hasten.check(mlp_task(metric="loss", **changes))
    assert found.divides_by == divides_by
    assert found.not_additive.startswith(why_not)
    assert bool(found.not_additive) == bool(found.kept) == (divides_by is None)


def endless() -> Iterator[Any]:
    while True:
        yield X[:4], Y[:4]


def test_a_stream_says_why_no_plan_replaces_it_and_how_long_an_epoch_is() -> None:
    task = Task(
        name="stream",
        data=Data(train=endless, steps_per_epoch=6),
        model=lambda: nn.Linear(5, 2),
        validate=lambda model: {"score": 1.0},
        metric="score",
        higher_is_better=False,
        stop=Stop(steps=5, patience=2),
    )
    found = hasten.check(task)
    assert found.train == "a stream of batches: your function gives batches in its own order, without ids"
    assert found.kept == ("how the batches are made: your function gives batches in its own order, without ids",)
    assert (found.train_samples, found.steps_per_epoch, found.valid) == (None, 6, "Task.validate")
    assert found.metric == "score of Task.validate, lower is better"
    assert found.stop == "5 steps, 2 evaluations without a better metric"


def test_schedules_and_groups_are_said() -> None:
    def groups(model: nn.Sequential) -> optim.Optimizer:
        return optim.SGD([{"params": model[0].parameters()}, {"params": model[3].parameters(), "lr": 0.5}], lr=0.1)

    schedule = hasten.Schedule("cosine", warmup=3)
    found = hasten.check(mlp_task(update=Update(optimizer=groups, schedule=schedule)))
    assert found.optimizer == "SGD, learning rate 0.1 and 0.5, 4 tensors in 2 groups"
    assert found.schedule == "cosine, moved once per step, 3 steps of warm-up"


def test_notes_are_those_of_the_data_and_not_the_loss_again() -> None:
    found = hasten.check(mlp_task(metric="loss", objective=contrast, batch_size=60))
    assert found.notes == ("batch_size is 60 and there are 50 training samples: each update uses all of them.",)


def test_generators_and_the_persons_loader_stay_as_they_were() -> None:
    generator = torch.Generator().manual_seed(5)
    before, state = generator.get_state(), random_state()
    loader = DataLoader(Fields(), 8, shuffle=True, generator=generator)
    hasten.check(mlp_task(data=Data(train=loader, valid=Fields()), model=Named, batch_size=8))
    assert same_random_state(state, random_state())
    assert torch.equal(before, generator.get_state())


class Late(nn.Module):
    """Fails in training mode only, which the look at two samples does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 2:
            raise ValueError("only two at once")
        return self.layer(x)


def test_a_first_step_that_fails_is_bad_input_with_the_line_and_the_batch() -> None:
    with pytest.raises(BadInput) as caught:
        hasten.check(mlp_task(model=Late))
    said, *tree = str(caught.value).splitlines()
    assert re.match(r"the first training step must work; found ValueError: only two at once \(.*\.py:\d+\)", said)
    assert tree[0] == "The training batch, 8 samples, a tuple of 2:"
    assert tree[2].split() == ["batch[1]", "(8,)", "int64", "target"]


def screen(found: TaskCheck) -> str:
    console = Console(width=200, record=True, file=None)
    with console.capture() as capture:
        console.print(task_check_view(found))
    return capture.get()
