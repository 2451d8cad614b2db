"""Tasks that cannot be understood: what was found in the batch, what was expected, and the lines that repair it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.training.check import check

X, Y = torch.randn(20, 5, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 3
PAIRS = TensorDataset(X, Y)


class Listed(Dataset[Any]):
    """Samples made by a function of their number."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


class Own:
    """A batch of an unknown class."""

    def __init__(self) -> None:
        self.x, self.gold = X[:4], Y[:4]


@dataclass
class Out:
    """What a model returns."""

    scores: Tensor


class Returns(nn.Module):
    """A model that returns something made of its scores."""

    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.make = nn.Linear(5, 3), make

    def forward(self, x: Tensor) -> Any:
        return self.make(self.layer(x))


def task(train: Any = PAIRS, **changes: Any) -> Task:
    """Three classes of five numbers, but for what a test changes."""
    given = {"name": "bad", "model": lambda: nn.Linear(5, 3), "stop": Stop(steps=2)}
    return Task(**(given | {"data": Data(train=train, valid=PAIRS)} | changes))


def number_of_columns(columns: int) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(5, columns)


def forgets(model: nn.Module, batch: Any) -> None:
    model(batch[0])


PREDICT = "\n    def predict(model, batch):\n        return {}\n    Task(..., predict=predict)\n"
TREE = (
    "The training batch, 2 samples, a tuple of 2:\n    batch[0]  (2, 5) float32\n    batch[1]  (2,) int64      target"
)

SAID: dict[str, tuple[Callable[[], Task], tuple[str, ...]]] = {
    "too many inputs": (
        lambda: task(TensorDataset(X, X, Y)),
        (
            "Linear(in_features=5, out_features=3, bias=True), called as model(batch[0], batch[1]), failed",
            PREDICT.format("model(batch[0])"),
            "batch[1]  (2, 5) float32\n    batch[2]  (2,) int64      target",
        ),
    ),
    "a field that the model does not take": (
        lambda: task(Listed(lambda i: {"x": X[i], "id": i, "labels": Y[i]}), model=lambda: Returns(lambda out: out)),
        (
            "called as model(x=batch['x'], id=batch['id'])",
            PREDICT.format("model(x=batch['x'])"),
            "batch['labels']  (2,)",
        ),
    ),
    "no field named as a target": (
        lambda: task(Listed(lambda i: {"x": X[i], "gold": Y[i]}), model=lambda: Returns(lambda out: out)),
        (
            "No field is named as a target (labels, label, targets, target, y)",
            "    def objective(model, batch):\n        return loss_of(model(x=batch['x']), ...)\n",
            "a dict with the fields 'x', 'gold':\n    batch['x']     (2, 5) float32\n    batch['gold']  (2,) int64",
        ),
    ),
    "a batch of an unknown class": (
        lambda: task(lambda: iter([Own()])),
        (
            "called as model(batch)",
            "loss_of(model(batch.x), ...)",
            "batch.x     (4, 5) float32\n    batch.gold  (4,) int64",
        ),
    ),
    "a batch without a target": (
        lambda: task(TensorDataset(X)),
        (
            "the batch has none: a tuple of 1",
            "objective=",
            "The training batch, 2 samples:\n    batch[0]  (2, 5) float32",
        ),
    ),
    "samples that torch cannot collate": (
        lambda: task(Listed(lambda i: Own())),
        (
            "torch's default collate function must make a batch of 2 samples",
            "Sample 0 is Own.",
            "Data(..., collate=collate)",
        ),
    ),
    "fields of different shapes": (
        lambda: task(Listed(lambda i: {"x": X[i, : 1 + i], "y": Y[i]})),
        ("found {'x': (1,) float32, 'y': () int64} in sample 0 and {'x': (2,)", "Crop or pad them", "collate=collate"),
    ),
    "a collate function that returns nothing": (
        lambda: task(DataLoader(PAIRS, 4, collate_fn=lambda samples: None)),
        ("your collate function must make a batch; it returned None. Is a return missing?",),
    ),
    "a batch without values": (
        lambda: task(Listed(lambda i: (torch.empty(5, device="meta"), Y[i]))),
        ("must hold values that can be copied to another device", "batch[0]  (2, 5) float32 on meta"),
    ),
    "a model without values": (
        lambda: task(model=lambda: nn.Linear(5, 3, device="meta")),
        ("'weight' is on the meta device. Build it on the CPU.",),
    ),
    "a model that was built already": (
        lambda: task(model=nn.Linear(5, 3)),
        (
            "must be a function that builds a new model at each call; found a Linear",
            "\n    Task(..., model=lambda: Linear(...))",
        ),
    ),
    "an output that is an object": (
        lambda: task(model=lambda: Returns(Out)),
        ("the model returned Out{'scores': (2, 3) float32}", PREDICT.format("model(batch[0]).scores"), TREE),
    ),
    "an output that is a dict": (
        lambda: task(model=lambda: Returns(lambda out: {"scores": out})),
        ("the model returned {'scores': (2, 3) float32}", PREDICT.format("model(batch[0])['scores']"), TREE),
    ),
    "no output": (
        lambda: task(model=lambda: Returns(lambda out: None)),
        ("the model returned NoneType. Is a return missing in its forward?", TREE),
    ),
    "an output of another shape than the numbers": (
        lambda: task(TensorDataset(X, X[:, 0]), model=number_of_columns(1), loss="mse", metric="mse"),
        ("found (2, 1) from the model and (2,) in the data", PREDICT.format("model(batch[0]).squeeze(-1)")),
    ),
    "one score for two classes": (
        lambda: task(TensorDataset(X, Y.clamp(max=1)), model=number_of_columns(1)),
        ("For two classes give the model two scores, or Task(loss=torch.nn.BCEWithLogitsLoss())",),
    ),
    "truth values as labels": (
        lambda: task(TensorDataset(X, Y > 0)),
        ("cross_entropy needs labels of dtype int64; found bool in the training data. Convert them with .long().",),
    ),
    "whole numbers for a loss of floats": (
        lambda: task(
            TensorDataset(X, Y.clamp(max=1)[:, None]),
            model=number_of_columns(1),
            loss=nn.BCEWithLogitsLoss(),
            metric="loss",
        ),
        ("target (2, 1) int64", "It takes target.to(torch.float32): convert the targets in the data set."),
    ),
    "a loss that forgets to return": (
        lambda: task(loss=lambda output, target: None),
        ("found None", "a return missing"),
    ),
    "a loss of several terms": (
        lambda: task(loss=lambda output, target: {"one": F.cross_entropy(output, target)}),
        ("found {'one': () float32}", "    def objective(model, batch):\n", TREE),
    ),
    "a loss of other arguments": (
        lambda: task(loss=lambda output: output.mean()),
        ("takes 1 positional argument but 2 were given", "It is called as loss(output, target).", TREE),
    ),
    "a loss that is no function": (lambda: task(loss=3), ("Task.loss must be 'cross_entropy', 'mse'", "found 3")),
    "an objective that fails": (
        lambda: task(objective=lambda model, batch: model(batch["x"]).mean()),
        ("Task.objective(model, batch) must return the loss", "test_tasks_not_understood.py:", TREE),
    ),
    "an objective that forgets to return": (
        lambda: task(objective=forgets),
        ("Task.objective must return its loss: a tensor without dimensions", "found None. Is a return missing?", TREE),
    ),
    "an objective that returns a vector": (
        lambda: task(objective=lambda model, batch: model(batch[0])),
        ("found shape (2, 3). Take the mean over the samples.", TREE),
    ),
    "an objective that returns loss and output": (
        lambda: task(objective=lambda model, batch: (model(batch[0]).mean(), model(batch[0]))),
        ("(mean, count)", "found () float32 and (2, 3) float32"),
    ),
    "an objective without terms": (
        lambda: task(objective=lambda model, batch: {}),
        ("must return its loss", "found {}"),
    ),
    "a step that fails": (
        lambda: task(step=lambda session, batch: session.model(batch["x"]).mean()),
        (
            "Task.step must make a step on a batch",
            "found TypeError",
            "test_tasks_not_understood.py:",
            "(20,) int64      target",
        ),
    ),
    "a step with a model that was built already": (
        lambda: task(model=nn.Linear(5, 3), step=lambda session, batch: None),
        ("must be a function that builds a new model at each call",),
    ),
    "a batch transform that returns nothing": (
        lambda: task(batch_transforms=(lambda batch: None,)),
        ("Task.batch_transforms must take a batch", "it returned None. Is a return missing?", TREE),
    ),
    "a batch transform that is not in a tuple": (
        lambda: task(batch_transforms=lambda batch: batch),
        ("must be a tuple of functions", "\n    Task(..., batch_transforms=(function,))"),
    ),
    "a schedule that fails": (
        lambda: task(update=Update(schedule=lambda optimizer: 1 / 0)),
        ("called with the optimizer: ZeroDivisionError: division by zero", "test_tasks_not_understood.py:"),
    ),
    "an optimizer that was built already": (
        lambda: task(update=Update(optimizer=optim.SGD(nn.Linear(2, 2).parameters()))),
        ("found a SGD, already built", "Update(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=...))"),
    ),
    "a metric of the output of an objective": (
        lambda: task(objective=lambda model, batch: model(batch[0]).mean(), metric="accuracy"),
        (
            "Task.objective returns a loss. Leave the metric out",
            "return {'accuracy': ...}\n    Task(..., validate=validate",
        ),
    ),
    "a metric that is no function": (
        lambda: task(metric=3),
        ("Task.metric must be a name, a torchmetrics metric", "found 3"),
    ),
    "a metric of another kind": (
        lambda: task(metric=lambda output, target: "good", higher_is_better=True),
        ("It is called as metric(output, target) and must return one number.", TREE),
    ),
    "data that are not wrapped": (
        lambda: task(data=PAIRS),
        ("\n    Task(..., data=hasten.Data(train=..., valid=...))",),
    ),
    "an optimizer as update": (
        lambda: task(update="adam"),
        ("\n    Task(..., update=hasten.Update(optimizer=..., lr=...))",),
    ),
    "a number as stop": (lambda: task(stop=3), ("Task.stop must be hasten.Stop; found 3.",)),
    "a predict that is no function": (lambda: task(predict="x"), ("Task.predict must be a function; found 'x'.",)),
    "no model": (lambda: task(model=None), ("Task.model must be a function; found None.",)),
    "a batch size that is text": (
        lambda: task(batch_size="64"),
        ("Task.batch_size must be a whole number; found '64'.",),
    ),
    "a batch size between numbers": (lambda: task(batch_size=6.5), ("must be a whole number; found 6.5.",)),
    "epochs that are text": (lambda: task(stop=Stop(epochs="3")), ("Stop.epochs must be above 0; found '3'.",)),
    "a rate that is text": (lambda: task(update=Update(lr="0.1")), ("learning rate must be above 0; found '0.1'.",)),
    "steps that are text": (
        lambda: task(data=Data(train=lambda: iter([Own()]), valid=PAIRS, steps_per_epoch="2")),
        ("Data.steps_per_epoch must be above 0; found '2'.",),
    ),
    "fewer validation samples than a batch": (
        lambda: task(data=Data(train=PAIRS, valid=DataLoader(PAIRS, 64, drop_last=True))),
        ("the validation data must give at least one batch; found 20 samples in batches of 64 with drop_last=True",),
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_what_cannot_be_understood_says_what_was_found_and_how_to_repair_it(what: str) -> None:
    make, words = SAID[what]
    with pytest.raises(BadInput) as caught:
        check(make())
    for one in words:
        assert one in str(caught.value)


def judged(validate: Callable[..., Any]) -> Task:
    return task(validate=validate, metric="score", higher_is_better=True)


@pytest.mark.parametrize(
    ("validate", "words"),
    [
        (
            lambda model: None,
            r"must return \{name: value\}; found NoneType\..*\n    def validate\(model\):\n        return",
        ),
        (lambda model: {"other": 1.0}, "must return the metric 'score'; found other"),
        (lambda model: {"score": "good"}, "must be numbers; found could not convert"),
        (
            lambda model: {"score": 1 / 0},
            r"found ZeroDivisionError: division by zero \(.*test_tasks_not_understood\.py:\d+\)",
        ),
        (lambda: {"score": 1.0}, "takes 0 positional arguments but 1 was given"),
    ],
)
def test_an_evaluation_of_ones_own_is_tried_before_the_first_step(validate: Callable[..., Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check(judged(validate))


def test_a_long_evaluation_is_left_and_its_objects_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.training.check.quality._TRIED_S", 0.0)
    calls = {"begun": 0, "ended": 0}
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()

    def validate(model: nn.Module) -> dict[str, float]:
        calls["begun"] += 1
        torch.rand(3, generator=generator)
        while True:
            try:
                model(X)
            except Exception:  # noqa: BLE001  (a person's code that goes on after every error)
                calls["ended"] += 1

    check(judged(validate))
    assert calls == {"begun": 0, "ended": 0}
    assert torch.equal(before, generator.get_state())


def test_the_target_of_a_list_of_many_is_one_line() -> None:
    def boxes() -> Iterator[Any]:
        yield list(X[:6].unbind()), [{"boxes": X[:1, :4], "labels": Y[:1]}] * 6

    with pytest.raises(BadInput) as caught:
        check(task(boxes, model=lambda: Returns(lambda out: out)))
    assert str(caught.value).endswith(
        "The training batch, 6 samples, a tuple of 2:\n    batch[0]  list of 6, first (5,) float32\n"
        "    batch[1]  list of 6, first {'boxes': (1, 4) float32, 'labels': (1,) int64}  target"
    )


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, 0),
        ({"batch_size": 20}, 0),
        ({"batch_size": 21}, 1),
        ({"data": Data(train=DataLoader(PAIRS, 64), valid=PAIRS)}, 1),
        ({"batch_size": None}, 0),
    ],
)
def test_a_batch_size_that_was_asked_for_and_exceeds_the_data_is_noted(changes: dict[str, Any], notes: int) -> None:
    found = check(task(**changes))
    assert len(found) == notes
    assert all("20 training samples: each update uses all of them" in note for note in found)
