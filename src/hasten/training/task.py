"""What a person brings: data, model, loss, metric, how it is trained today, and when it is good enough."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from torch import nn, optim
from torch.utils.data import DataLoader, IterableDataset

from hasten.base.errors import BadInput, Refused
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.records.plan import Knob
from hasten.data.augmentation.draws import Augment
from hasten.data.batch import Batch
from hasten.data.loading.given import Given, Samples, check_given, is_by_number, understood
from hasten.data.loading.sample_randomness import Collate
from hasten.data.loading.streams import Stream, first_of_stream, samples_in
from hasten.data.names import Names
from hasten.training.loss import LossFunction, MeanLoss, loss_function
from hasten.training.metrics import NamedQuality, Quality
from hasten.training.schedule import Schedule, as_schedule
from hasten.training.transforms import PostStep

if TYPE_CHECKING:
    from torchmetrics import Metric

    from hasten.training.metric_objects import MetricFactory, MetricFunction
    from hasten.training.session import Session

DEFAULT_LR = 1e-3
OptimizerFactory: TypeAlias = Callable[
    [nn.Module], optim.Optimizer | Sequence[optim.Optimizer] | Mapping[str, optim.Optimizer]
]
"""(model) -> optimizer, or several of them."""
OptimizerClass: TypeAlias = Callable[..., optim.Optimizer]
ModelFactory: TypeAlias = Callable[[], nn.Module]
Validate: TypeAlias = Callable[[nn.Module], Mapping[str, float]]
Predict: TypeAlias = Callable[[nn.Module, Batch], Any]
"""(model, batch) -> output."""
Objective: TypeAlias = Callable[[nn.Module, Batch], Any]
"""(model, batch) -> loss, (mean, count), dict of named terms, or `Loss`."""
OwnStep: TypeAlias = "Callable[[Session, Batch], Any]"
"""(session, batch) -> what an objective may return. Makes one step: forward, backward and the updates."""
Uses: TypeAlias = Mapping[str, Mapping[str, Knob]]
"""Name of a technique -> its knobs."""


def is_optimizer_class(optimizer: object) -> bool:
    """Return whether this is called with parameters, not with a model: a class, or a partial of one."""
    return isinstance(optimizer.func if isinstance(optimizer, functools.partial) else optimizer, type)


class _DefaultSize(int):
    """The batch size of a task that gives none: a `DataLoader` of its data may have another."""


class _Found:
    """What was found out about data, and how their generators stood at first."""

    # Slots: what describes objects by their attributes must not see what happens to be known.
    __slots__ = ("batch_size", "given", "start")

    def __init__(self) -> None:
        self.given: dict[tuple[str, int | None], Given] = {}
        self.batch_size: int | None = None
        self.start: tuple[ObjectState, dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training and validation data.

    Each of `train` and `valid` is one of: a map-style data set with samples of any structure; a torch `DataLoader`,
    used as it is; an `IterableDataset` of samples; any other iterable of batches; or a function that returns an
    iterable of batches, called for each pass. docs/tasks.md has an example of each.

    Args:
        train: to learn from.
        valid: to validate on; None where `Task.validate` does.
        collate: makes a batch of a list of samples; None for torch's `default_collate`.
        workers: processes that read samples in the training as it is today: `num_workers` of torch's `DataLoader`.
            Batches do not depend on it: the random numbers that a sample draws come from (seed, epoch, batch).
        steps_per_epoch: updates that count as an epoch, for data without an end. The iteration goes on from one epoch
            to the next, and begins anew where the data end.
        names: of columns, tokens and classes, for `hasten attribute`.
    """

    train: Any
    valid: Any = None
    collate: Collate | None = None
    workers: int = 0
    steps_per_epoch: int | None = None
    names: Names = field(default_factory=Names)
    _found: _Found = field(default_factory=_Found, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 0:
            raise BadInput(f"Data.workers must be a whole number of processes, 0 or more; found {self.workers!r}.")
        steps = self.steps_per_epoch
        if steps is not None and (not isinstance(steps, Integral) or steps < 1):
            raise BadInput(f"Data.steps_per_epoch must be above 0; found {steps!r}.")
        parts = {"train": self.train} | ({} if self.valid is None else {"valid": self.valid})
        for part, data in parts.items():
            check_given(data, part)
        if self.steps_per_epoch is not None and is_by_number(self.train):
            raise BadInput(
                "Data.steps_per_epoch has no effect on a data set with a length, whose epoch is a pass over it. "
                "Leave it out."
            )
        unread = [part for part, data in parts.items() if not (is_by_number(data) or isinstance(data, IterableDataset))]
        if len(unread) == len(parts):
            for name, value in (("collate", self.collate), ("workers", self.workers)):
                if value:
                    raise BadInput(
                        f"Data.{name} has no effect on data that come as batches ({unread[0]}). Give it to the "
                        "DataLoader that makes them."
                    )
        if not all(map(is_by_number, parts.values())):
            objects = ObjectState({part: (data, Tensors.NONE) for part, data in parts.items()})
            self._found.start = objects, objects.state()

    def training(self, batch_size: int | None) -> Given:
        """Return how the training data are read today; an `IterableDataset` is cut into batches of `batch_size`."""
        given = self._understood("train", batch_size)
        if self.steps_per_epoch is None:
            return given
        if isinstance(given, Samples):
            given = Stream(self.train, f"an epoch is {self.steps_per_epoch} steps, not a pass over the samples")
        return replace(given, steps=self.steps_per_epoch)

    def validation(self, batch_size: int | None) -> Given | None:
        """Return how the validation data are read, or None if there are none."""
        return None if self.valid is None else self._understood("valid", batch_size)

    def stream_batch_size(self, stream: Stream) -> int:
        """Return the samples of a stream's first batch, which is read once.

        Raises:
            BadInput: if there is no batch.
        """
        if self._found.batch_size is None:
            self._found.batch_size = samples_in(first_of_stream(stream))
        return self._found.batch_size

    def rewind(self) -> None:
        """Put generators and counters of loaders and streams back to where they stood when this was made.

        Every training of one process then begins with the same batches.
        """
        if self._found.start is not None:
            objects, state = self._found.start
            objects.load_state(state)

    def _understood(self, part: str, batch_size: int | None) -> Given:
        key, known = (part, batch_size), self._found.given
        if key not in known:
            known[key] = understood(
                getattr(self, part), collate=self.collate, workers=self.workers, batch_size=batch_size
            )
        return known[key]


@dataclass(frozen=True, kw_only=True)
class Update:
    """How parameters change: the optimizer, its learning rate, and the schedule of the rate.

    Args:
        optimizer: a name ("sgd", "adamw", ...; see `hasten.training.optimizers`), an optimizer class such as
            `torch.optim.Adam`, or a function from the model, called once the model is final, since earlier stages may
            replace parameters. It returns an optimizer, or several in a tuple, list or dict: each then updates after
            the one backward pass, in their order, or as `Task.step` has it.
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
            if not isinstance(self.lr, Real) or not 0 < self.lr < math.inf:
                raise BadInput(f"the learning rate must be above 0; found {self.lr!r}.")
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
            value: Any = getattr(self, name)
            if value is not None and (not isinstance(value, int | float | np.number) or not value > 0):
                raise BadInput(f"Stop.{name} must be above 0; found {value!r}.")


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
        step: (session, batch) -> loss, in the forms of `objective`, where a step is more than one backward pass and
            one update (a GAN). It does forward, backward and the updates itself, with `session.model` and
            `session.optimizers` (name -> optimizer); schedules, data, evaluation and checkpoints stay hasten's. `loss`,
            `predict` or `objective` then judge the model only.
        metric: what quality means: a name (see `hasten.training.metrics`), a torchmetrics metric or a function that
            builds one, or a function (output, target) -> value, averaged over the samples; "loss" for the validation
            loss itself. None: accuracy, or the loss where `objective` or the model computes it.
        higher_is_better: direction of a metric that does not say it itself, as a plain function.
        validate: a function (model) -> {name: value} in place of the metric: its value named `metric` decides. It is
            called with the model in eval mode, without gradients; "loss" is the validation loss where it is given.
        update: optimizer, learning rate and schedule.
        uses: techniques that the training uses today, by name with their knobs, {"clip_norm": {"max_norm": 1.0}}: they
            are part of the baseline. `hasten techniques` lists them.
        batch_size: samples per update; None for all of them (plain gradient descent); left out, that of the
            `DataLoader`, or 64.
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
    step: "OwnStep | None" = None
    metric: "str | Metric | MetricFactory | MetricFunction | None" = None  # never None once the Task is made
    higher_is_better: bool | None = None
    validate: Validate | None = None
    update: Update = field(default_factory=Update)
    uses: Uses = field(default_factory=dict[str, Mapping[str, Knob]])
    batch_size: int | None = _DefaultSize(64)
    valid_batch_size: int | None = None
    augment: tuple[Augment, ...] = ()
    batch_transforms: tuple[Callable[[Batch], Batch], ...] = ()
    stop: Stop = field(default_factory=lambda: Stop(epochs=10))
    seed: int = 0
    notes: tuple[str, ...] = ()
    command: str = ""

    def __post_init__(self) -> None:
        _check_kinds(self)
        if not self.name or any(letter in self.name for letter in " /\\"):
            raise BadInput(f"a task's name must be one word without slashes; found {self.name!r}.")
        if self.data.valid is None and self.validate is None:
            raise BadInput(
                "a task needs validation data or its own evaluation; found neither. Give Data(valid=...) or "
                "Task(validate=(model) -> {name: value})."
            )
        self._set_batch_size()
        if self.objective is not None and (self.predict is not None or self.loss != "cross_entropy"):
            other = "predict" if self.predict is not None else "loss"
            raise BadInput(
                f"Task.objective computes output and loss itself; found Task.{other} beside it. Leave one out."
            )
        _check_uses(self.uses)
        if self.metric is None:
            own = self.objective is not None or self.loss == "model"
            object.__setattr__(self, "metric", "loss" if own else "accuracy")
        if self.batch_size is not None and self.batch_size < 1:
            raise BadInput(f"batch_size must be at least 1, or None for full-batch descent; found {self.batch_size}.")
        if self.valid_batch_size is not None and self.valid_batch_size < 1:
            raise BadInput(
                f"valid_batch_size must be at least 1, or None for batch_size; found {self.valid_batch_size}."
            )

    @property
    def has_batch_size(self) -> bool:
        """Whether the batch size was asked for, by the task or a `DataLoader`, and is not the default."""
        return not isinstance(self.batch_size, _DefaultSize)

    def _set_batch_size(self) -> None:
        """Take the batch size of a `DataLoader` where the task gives none.

        Raises:
            BadInput: if the task gives another one, or one for data that come as batches.
        """
        given, train = self.has_batch_size, self.data.train
        size = train.batch_size if isinstance(train, DataLoader) else None
        if size is not None:
            if given and self.batch_size != size:
                raise BadInput(
                    f"Task.batch_size is {self.batch_size} and your DataLoader's is {size}. Leave out Task.batch_size."
                )
            object.__setattr__(self, "batch_size", size)
        elif given and not is_by_number(train) and not isinstance(train, IterableDataset):
            raise BadInput(
                f"Task.batch_size has no effect on training data that come as batches; found {self.batch_size}. "
                "Leave it out."
            )
        elif given and self.batch_size is None and isinstance(train, IterableDataset):
            raise BadInput(
                "an IterableDataset has no full batch; found batch_size=None. Give Task.batch_size a number."
            )


def _check_uses(uses: object) -> None:
    """Raise `BadInput` unless it is a mapping of names to mappings."""
    named = isinstance(uses, Mapping) and all(isinstance(knobs, Mapping) for knobs in uses.values())
    if not named:
        raise BadInput(
            'Task.uses must be technique -> knobs, such as {"bf16": {}, "clip_norm": {"max_norm": 1.0}}; '
            f"found {uses!r}."
        )


def _check_kinds(task: Task) -> None:
    """Raise `BadInput` if a field of a task is of another kind."""
    for name, kind in (("name", str), ("data", Data), ("update", Update), ("stop", Stop)):
        if not isinstance(value := getattr(task, name), kind):
            raise BadInput(f"Task.{name} must be {_KINDS[kind]}; found {value!r:.100}.{_INSTEAD.get(name, '')}")
    for name in ("model", "predict", "objective", "step", "validate"):
        value = getattr(task, name)
        if not callable(value) and (value is not None or name == "model"):
            raise BadInput(f"Task.{name} must be a function; found {value!r:.100}.")
    for name in ("augment", "batch_transforms"):
        value = getattr(task, name)
        if not isinstance(value, tuple | list) or not all(map(callable, value)):
            raise BadInput(
                f"Task.{name} must be a tuple of functions; found {value!r:.100}.\n    Task(..., {name}=(function,))"
            )
    for name in ("batch_size", "valid_batch_size", "seed"):
        value = getattr(task, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise BadInput(f"Task.{name} must be a whole number; found {value!r:.100}.")


_KINDS = {str: "a text", Data: "hasten.Data", Update: "hasten.Update", Stop: "hasten.Stop"}
_INSTEAD = {
    "data": "\n    Task(..., data=hasten.Data(train=..., valid=...))",
    "update": "\n    Task(..., update=hasten.Update(optimizer=..., lr=...))",
    "stop": "\n    Task(..., stop=hasten.Stop(epochs=...))",
}


class _NoTask:
    """Stands in a recipe without a task: reading any fact of it raises `Refused`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused(f"it reads `{name}` of a task, and a loop of one's own gives none. Use `hasten.train` for it")


def no_task() -> Task:
    """Return what stands in the place of a task in a recipe that has none."""
    return cast(Task, _NoTask())


def quality_of(task: Task) -> Quality | NamedQuality:
    """Return the task's metric over one evaluation; it counts the same labels as the task's loss.

    Raises:
        BadInput: if the metric or the loss cannot be used.
    """
    if task.validate is not None:
        return NamedQuality(task.metric, higher_is_better=task.higher_is_better)
    assert task.metric is not None, "set when the task is made"
    loss = None if task.objective is not None or task.loss == "model" else loss_function(task.loss)
    return Quality(task.metric, loss, higher_is_better=task.higher_is_better)
