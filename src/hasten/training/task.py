"""What a person brings: data, model, loss, metric, how it is trained today, and when it is good enough."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from torch import nn, optim
from torch.utils.data import Dataset
from torchmetrics import Metric

from hasten.base.errors import BadInput, Refused
from hasten.data.augmentation.draws import Augment
from hasten.data.batch import Batch
from hasten.training.loss import LossFunction, MeanLoss, loss_function
from hasten.training.metrics import MetricFactory, MetricFunction, Quality
from hasten.training.schedule import Schedule, as_schedule
from hasten.training.transforms import PostStep

DEFAULT_LR = 1e-3
OptimizerFactory: TypeAlias = Callable[[nn.Module], optim.Optimizer]
OptimizerClass: TypeAlias = Callable[..., optim.Optimizer]
ModelFactory: TypeAlias = Callable[[], nn.Module]
Predict: TypeAlias = Callable[[nn.Module, Batch], Any]
"""(model, batch) -> output."""
Objective: TypeAlias = Callable[[nn.Module, Batch], Any]
"""(model, batch) -> loss, (mean, count), dict of named terms, or `Loss`."""


def is_optimizer_class(optimizer: object) -> bool:
    """Return whether this is called with parameters, not with a model: a class, or a partial of one."""
    return isinstance(optimizer.func if isinstance(optimizer, functools.partial) else optimizer, type)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training and validation data: map-style torch data sets whose samples are tuples, the target last.

    Args:
        train: to learn from.
        valid: to validate on.
        workers: processes that read samples in the training as it is today: `num_workers` of torch's `DataLoader`.
            Batches do not depend on it: the random numbers that a sample draws come from (seed, epoch, batch).
    """

    train: Dataset[Any]
    valid: Dataset[Any]
    workers: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 0:
            raise BadInput(f"Data.workers must be a whole number of processes, 0 or more; found {self.workers!r}.")


@dataclass(frozen=True, kw_only=True)
class Update:
    """How parameters change: the optimizer, its learning rate, and the schedule of the rate.

    Args:
        optimizer: a name ("sgd", "adamw", ...; see `hasten.training.optimizers`), an optimizer class such as
            `torch.optim.Adam`, or a function from the model, called once the model is final, since earlier stages may
            replace parameters.
        lr: learning rate of all parameters. None: 1e-3 for a name, the class's own default, or the rates that the
            function set.
        options: further arguments of a name or a class, for example {"momentum": 0.9}.
        schedule: how the rate moves: a `Schedule`, its name, a function (step) -> multiplier of the rate, or a
            function (optimizer) -> torch scheduler that moves once per update.
        post_step: done after each update, in this order: averaging of weights, masks.
    """

    optimizer: str | OptimizerFactory | OptimizerClass = "adamw"
    lr: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    schedule: Any = field(default_factory=Schedule)  # a `Schedule` once the Update is made
    post_step: tuple[PostStep, ...] = ()

    def __post_init__(self) -> None:
        if self.lr is not None:
            if not 0 < self.lr < math.inf:
                raise BadInput(f"the learning rate must be above 0; found {self.lr}.")
            object.__setattr__(self, "lr", float(self.lr))  # NumPy's numbers could not be loaded from a checkpoint
        elif isinstance(self.optimizer, str):
            object.__setattr__(self, "lr", DEFAULT_LR)
        if self.options and callable(self.optimizer) and not is_optimizer_class(self.optimizer):
            raise BadInput(
                f"options have no effect on an optimizer that a function builds; found {dict(self.options)}. "
                "Set them inside the function."
            )
        object.__setattr__(self, "schedule", as_schedule(self.schedule))


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When training ends: the first of these to come true. At least `steps`, `epochs` or `seconds` must be given.

    Args:
        epochs: passes over the training data.
        steps: optimizer updates; where a technique passes over samples, those that it saves count too.
        seconds: wall-clock budget.
        target: value of the task's metric that is good enough.
        patience: evaluations without a better metric (early stopping).
        plateau: relative change of the training loss between two evaluations below which it counts as flat.
        evaluate_every: steps between evaluations; None for once per epoch.
    """

    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None
    target: float | None = None
    patience: int | None = None
    plateau: float | None = None
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.steps is None and self.seconds is None:
            raise BadInput("Stop needs `epochs`, `steps` or `seconds`; none is given.")
        for name in ("epochs", "steps", "seconds", "patience", "plateau", "evaluate_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadInput(f"Stop.{name} must be above 0; found {value}.")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One training as its owner does it today. hasten looks for a faster way to the same result.

    Args:
        name: short and without spaces; names the run folder.
        data: training and validation data.
        model: builds a fresh model; called after seeding, once per experiment.
        loss: "cross_entropy", "mse", a callable (output, target) -> mean over the samples, a `LossFunction`, or
            "model": the model is called with the whole batch and returns its loss (`.loss`, ["loss"], the first of a
            tuple, or a scalar tensor).
        predict: (model, batch) -> output, where the model is not called with the batch's elements or fields but for the
            target.
        objective: (model, batch) -> loss, in place of `loss` and `predict`: a scalar tensor, (mean, count), a dict of
            named terms whose sum is minimized, or a `Loss`.
        metric: what quality means: a name (see `hasten.training.metrics`), a torchmetrics metric or a function that
            builds one, or a function (output, target) -> value, averaged over the samples; "loss" for the validation
            loss itself. None: accuracy, or the loss where `objective` or the model computes it.
        higher_is_better: direction of a metric that does not say it itself, as a plain function.
        update: optimizer, learning rate and schedule.
        batch_size: samples per update; None for all of them (plain gradient descent).
        valid_batch_size: samples per validation batch; None for `batch_size`.
        augment: done to each training batch, in this order (see `hasten.data.augmentation`).
        batch_transforms: done to each batch after that, in training and validation: normalization.
        stop: when training ends.
        seed: of initialization, data order and dropout.
        notes: what to know about the data, one sentence each: what was left out, what was unknown.
        command: what names it on the command line, "imdb --data DIR" say; `load_task` writes it.
    """

    name: str
    data: Data
    model: ModelFactory
    loss: str | LossFunction | MeanLoss = "cross_entropy"
    predict: Predict | None = None
    objective: Objective | None = None
    metric: str | Metric | MetricFactory | MetricFunction | None = None  # never None once the Task is made
    higher_is_better: bool | None = None
    update: Update = field(default_factory=Update)
    batch_size: int | None = 64
    valid_batch_size: int | None = None
    augment: tuple[Augment, ...] = ()
    batch_transforms: tuple[Callable[[Batch], Batch], ...] = ()
    stop: Stop = field(default_factory=lambda: Stop(epochs=10))
    seed: int = 0
    notes: tuple[str, ...] = ()
    command: str = ""

    def __post_init__(self) -> None:
        if not self.name or any(letter in self.name for letter in " /\\"):
            raise BadInput(f"a task's name must be one word without slashes; found {self.name!r}.")
        if self.objective is not None and (self.predict is not None or self.loss != "cross_entropy"):
            other = "predict" if self.predict is not None else "loss"
            raise BadInput(
                f"Task.objective computes output and loss itself; found Task.{other} beside it. Leave one out."
            )
        if self.metric is None:
            own = self.objective is not None or self.loss == "model"
            object.__setattr__(self, "metric", "loss" if own else "accuracy")
        if self.batch_size is not None and self.batch_size < 1:
            raise BadInput(f"batch_size must be at least 1, or None for full-batch descent; found {self.batch_size}.")
        if self.valid_batch_size is not None and self.valid_batch_size < 1:
            raise BadInput(
                f"valid_batch_size must be at least 1, or None for batch_size; found {self.valid_batch_size}."
            )


class _NoTask:
    """Stands in a recipe without a task: reading any fact of it raises `Refused`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused(f"it reads `{name}` of a task, and a loop of one's own gives none. Use `hasten.train` for it")


def no_task() -> Task:
    """Return what stands in the place of a task in a recipe that has none."""
    return cast(Task, _NoTask())


def quality_of(task: Task) -> Quality:
    """Return the task's metric over one evaluation; it counts the same labels as the task's loss.

    Raises:
        BadInput: if the metric or the loss cannot be used.
    """
    assert task.metric is not None, "set when the task is made"
    loss = None if task.objective is not None or task.loss == "model" else loss_function(task.loss)
    return Quality(task.metric, loss, higher_is_better=task.higher_is_better)
