"""What cannot be trained is refused where it is said, in one message with what was found and what to do."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from hasten import CrossEntropy, Data, Schedule, Stop, Task
from hasten.base.errors import BadInput, Refused
from hasten.training.check import check
from hasten.training.loss import Loss, OfReturned, class_dimension, loss_function
from hasten.training.metrics import NamedQuality, Quality
from hasten.training.output import compared, itself, loss_among, own_loss
from hasten.training.subject import Subject
from hasten.training.task import no_task, quality_of

from tiny_tasks import mlp_task, regression_task

DATA = mlp_task().data


class Streamed(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(torch.zeros(5), 0)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Data(train=DATA.train, workers=-1),
            "workers must be a whole number of processes, 0 or more; found -1",
        ),
        (lambda: Data(train=DATA.train, workers=True), "found True"),
        (lambda: Data(train=DATA.train, workers=1.5), "found 1.5"),
        (lambda: Data(train=Streamed(), steps_per_epoch=0), "steps_per_epoch must be above 0; found 0"),
        (
            lambda: Data(train=DATA.train, steps_per_epoch=3),
            "steps_per_epoch has no effect on a data set with a length",
        ),
        (
            lambda: Data(train=list, workers=2),
            r"Data.workers has no effect on data that come as batches \(train\)",
        ),
        (lambda: Data(train=list, collate=list), "Data.collate has no effect"),
        (lambda: Stop(), "Stop needs `epochs`, `steps` or `seconds`"),
        (lambda: Stop(target=0.5), "Stop needs"),
        (lambda: Stop(epochs=0), "Stop.epochs must be above 0; found 0"),
        (lambda: Stop(epochs=1, patience=-1), "Stop.patience must be above 0; found -1"),
        (lambda: Stop(epochs=1, plateau=0.0), "Stop.plateau must be above 0"),
        (lambda: Stop(epochs=1, evaluate_every=0), "Stop.evaluate_every must be above 0"),
        (lambda: Stop(seconds=math.nan), "Stop.seconds must be above 0; found nan"),
        (lambda: mlp_task(name=""), "one word without slashes; found ''"),
        (lambda: mlp_task(name="a/b"), "found 'a/b'"),
        (lambda: mlp_task(name="a b"), "found 'a b'"),
        (lambda: mlp_task(name="a\\b"), "one word"),
        (lambda: mlp_task(data=Data(train=DATA.train)), "validation data or its own evaluation; found neither"),
        (lambda: mlp_task(objective=len, predict=len), "found Task.predict beside it"),
        (lambda: mlp_task(objective=len, loss="mse"), "found Task.loss beside it"),
        (lambda: mlp_task(batch_size=0), "batch_size must be at least 1, or None for full-batch descent; found 0"),
        (lambda: mlp_task(valid_batch_size=0), "valid_batch_size must be at least 1, or None for batch_size; found 0"),
        (lambda: mlp_task(data=replace_train(Streamed()), batch_size=None), "no full batch; found batch_size=None"),
        (lambda: mlp_task(data=replace_train(list), batch_size=4), "no effect on training data that come as"),
        (lambda: mlp_task(data=replace_train(DataLoader(DATA.train, 10))), "is 8 and your DataLoader's is 10"),
        (lambda: CrossEntropy(class_dim=2), "class_dim must be 1, -1 or None; found 2"),
        (lambda: Schedule("cosine", warmup=-1), "warmup must be 0 or more steps; found -1"),
        (lambda: Schedule("cosine", per="batch"), 'per must be "step" or "epoch"; found \'batch\''),
        (lambda: Schedule("cosine", per="epoch"), "only a schedule made of a function can move once per epoch"),
        (lambda: Schedule(function=len, warmup=2), "takes no name, warmup or options"),
        (lambda: Schedule("cosine", function=len), "takes no name, warmup or options"),
        (lambda: Schedule(function=len, options={"a": 1.0}), "takes no name, warmup or options"),
        (lambda: NamedQuality(len), "must be the name of one of the values that it returns; found len"),
        (lambda: NamedQuality("mine"), "the metric 'mine' of Task.validate must say whether higher is better"),
        (lambda: NamedQuality("accuracy", higher_is_better=False), "contradicts the metric accuracy"),
        (lambda: NamedQuality("loss").of([1.0]), "must return {name: value}; found list"),
        (lambda: NamedQuality("loss").of({"loss": "low"}), "must be numbers; found could not convert"),
        (lambda: NamedQuality("loss").of({"f1": 1.0}), "must return the metric 'loss'; found f1. Set Task.metric"),
        (lambda: NamedQuality("loss").of({}), "found nothing"),
        (lambda: Quality(lambda: 3), "returned int"),  # type: ignore[arg-type, return-value]
        (lambda: own_loss((torch.zeros(2), 1)), r"must return its loss, a scalar tensor.*found"),
        (lambda: own_loss({"logits": torch.zeros(2)}), "must return its loss"),
        (
            lambda: check(regression_task(batch_transforms=(broken,))),
            "batch_transforms must take a batch of the training data.*no!",
        ),
        (lambda: check(regression_task(augment=(lambda batch, draws: broken(batch),))), "after Task.augment.*no!"),
        (
            lambda: check(mlp_task(loss=CrossEntropy(weight=(1.0, 1.0, 1.0)))),
            "has 3 class weights, but the model gives 2",
        ),
        (
            lambda: check(mlp_task(model=TwoOutputs)),
            "the loss over classes compares one tensor with the target; the model returned",
        ),
        (lambda: check(mlp_task(metric="f1", loss=lambda o, t: o.mean(), data=bare())), "compares .* with a target"),
        (lambda: check(mlp_task(model=LazyOfFive)), "the model's lazy layers must take the data"),
        (
            lambda: check(mlp_task(data=listed((torch.zeros(5), 0), (torch.zeros(5),)))),
            "float32 in sample 1. Crop or pad",
        ),
        (lambda: check(mlp_task(data=listed((torch.zeros(5), 0), 3))), "found .* in sample 0 and int in sample 1"),
        (
            lambda: check(mlp_task(data=listed((torch.zeros(5), 0), (None, 0)))),
            "in sample 0 and tuple of 2 NoneType or int in sample 1",
        ),
        (lambda: check(mlp_task(data=listed({"x": 1}, broken))), "sample 1 of the training data must be readable.*no!"),
        (lambda: check(mlp_task(data=listed(broken))), "sample 0 of the training data must be readable.*no!"),
        (lambda: check(Task(name="t", data=replace_train(raising), model=mlp_task().model)), "must be readable.*no!"),
        (lambda: check(Task(name="t", data=replace_train(list), model=mlp_task().model)), "one batch"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_message_says_what_must_hold_and_what_was_found(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()


def replace_train(train: Any) -> Data:
    return Data(train=train, valid=DATA.valid)


def broken(batch: Any) -> Any:
    raise RuntimeError("no!")


def raising() -> Iterator[Any]:
    yield broken(None)


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"a": self.layer(x), "b": self.layer(x)}


class LazyOfFive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.reshape(-1, 7))


def bare() -> Data:
    data = DataLoader(TensorDataset(torch.randn(20, 5)), batch_size=8)
    return Data(train=data, valid=data)


def listed(*samples: Any) -> Data:
    class Listed(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, index: int) -> Any:
            return broken(None) if samples[index] is broken else samples[index]

    return replace_train(Listed())


def test_a_loop_of_ones_own_has_no_task() -> None:
    with pytest.raises(
        Refused, match="it reads `stop` of a task, and a loop of one's own gives none. Use `hasten.train`"
    ):
        _ = no_task().stop
    with pytest.raises(AttributeError, match="__deepcopy__"):
        no_task().__deepcopy__  # type: ignore[attr-defined]  # noqa: B018


def test_facts_that_a_subject_lacks() -> None:
    subject = Subject(name="mine")
    for ask, what in (
        (subject.train_data, "training data"),
        (subject.valid_data, "validation data"),
        (subject.model, "way to build the model"),
        (subject.batch, "way to load a batch"),
    ):
        with pytest.raises(Refused, match=f"'mine' gives no {what}"):
            ask()
    assert subject.steps_per_epoch is None
    assert not subject.has_length
    assert Subject(name="mine", train_samples=9, batch_size=4).steps_per_epoch == 3
    assert Subject(name="mine", train_samples=8, batch_size=4).steps_per_epoch == 2
    assert Subject(name="mine", train_samples=8, batch_size=4, epoch_steps=7).steps_per_epoch == 7
    assert Subject(name="mine", planned_steps=3).has_length
    assert Subject(name="mine", seconds=3.0).has_length
    with_train = Subject(name="mine", train=DATA.train)
    assert with_train.datasets() == (DATA.train,)
    assert replace(with_train, valid=DATA.valid).datasets() == (DATA.train, DATA.valid)


X, OTHER = torch.ones(2), torch.zeros(2)
SCALAR = torch.tensor(0.5)


@pytest.mark.parametrize(
    ("output", "scores"),
    [
        (X, X),
        ({"logits": X, "other": OTHER}, X),
        (SimpleNamespace(logits=X), X),
        ((X, OTHER), X),
        ([X, OTHER], X),
    ],
)
def test_what_is_compared_with_the_target(output: Any, scores: Tensor) -> None:
    assert compared(output) is scores


@pytest.mark.parametrize("output", [{"other": OTHER}, (), [1, X], "text", 3, SimpleNamespace(logits=None)])
def test_an_output_without_scores_is_compared_as_it_is(output: Any) -> None:
    assert compared(output) is output


def test_where_a_model_has_its_loss() -> None:
    for output in (SCALAR, {"loss": SCALAR}, SimpleNamespace(loss=SCALAR), (SCALAR, X)):
        assert own_loss(output) is SCALAR
        assert loss_among(output) is SCALAR
        assert itself(output) is output
    assert loss_among(()) is None
    assert loss_among({}) is None


def test_the_dimension_of_the_classes() -> None:
    labels = torch.zeros(4, 7, dtype=torch.int64)
    assert class_dimension(torch.zeros(4, 3), labels[:, 0]) == 1
    assert class_dimension(torch.zeros(4), labels[:, 0]) == 0
    assert class_dimension(torch.zeros(4, 3, 7), labels) == 1
    assert class_dimension(torch.zeros(4, 7, 3), labels) == 2
    assert class_dimension(torch.zeros(4, 7, 3), labels, 1) == 1
    assert class_dimension(torch.zeros(4, 7, 3), labels, -1) == 2
    assert class_dimension(torch.zeros(4, 3, 7), torch.zeros(4, 3, 7)) == 1, "class probabilities"


def test_an_objective_may_return_a_loss_and_must_return_the_same_form_in_every_step() -> None:
    loss = Loss(SCALAR, 3)
    assert OfReturned(itself)(loss, None) is loss
    from hasten.training.counting import RETURNED

    with pytest.raises(BadInput, match="the same form in every step; found a loss without a count"):
        OfReturned(itself, RETURNED)(SCALAR, (X,))


def test_a_metric_without_a_batch_that_counts_is_not_a_number() -> None:
    quality = quality_of(mlp_task(metric="accuracy"))
    assert isinstance(quality, Quality)
    assert math.isnan(quality.value(0.5))
    quality.add(torch.zeros(2, 2), torch.tensor([-100, -100]))
    assert math.isnan(quality.value(0.5))
    quality.add(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    assert quality.value(0.5) == 1.0
    assert math.isnan(quality.value(0.5)), "an evaluation starts anew"
    ignoring = Quality("accuracy", CrossEntropy(ignore_index=1))
    ignoring.add(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 0]))
    assert ignoring.value(0.0) == 0.0


def test_names_of_metrics_of_ones_own() -> None:
    assert NamedQuality("mine", higher_is_better=False).of({"mine": np.float32(0.5)}) == {"mine": 0.5}
    assert not NamedQuality("mine", higher_is_better=False).higher_is_better
    assert NamedQuality("accuracy").higher_is_better
    assert not NamedQuality("loss").higher_is_better
    assert loss_function("mse").count((X, OTHER)) == 2
