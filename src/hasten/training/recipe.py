"""How one run is built, stage by stage: plain values and functions, and nothing is built until the run starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeAlias

from torch import nn

from hasten.base.device import Device
from hasten.data.augmentation.draws import Augment
from hasten.data.batch import Batch, inputs_of
from hasten.data.loading.loaders import Loader, per_sample, whole
from hasten.data.loading.order import Order, shuffled
from hasten.data.loading.workers import Workers
from hasten.training.contexts import ContextFactory
from hasten.training.loss import LossFunction, loss_function
from hasten.training.sampling import Sampling
from hasten.training.task import PostStep, Task, Update

ModelChange: TypeAlias = Callable[[nn.Module], nn.Module]
Function: TypeAlias = Callable[..., Any]
Wrapper: TypeAlias = Callable[[Function], Function]
"""A function in, a function with the same arguments and meaning out: autocast, compile, saved-tensor hooks."""
GradientStep: TypeAlias = Callable[[Sequence[nn.Parameter]], bool]
"""Changes `.grad` of the parameters in place; returns False to skip this update."""
BatchTransform: TypeAlias = Callable[[Batch], Batch]


def unchanged(model: nn.Module) -> nn.Module:
    """Return the model as it is."""
    return model


@dataclass(frozen=True)
class Surgery:
    """A change of the model before training, and how to take it back so that a plain model remains.

    Both may change the model in place or return another; `undo` keeps the trained weights.
    """

    change: ModelChange
    undo: ModelChange = unchanged


@dataclass(frozen=True, kw_only=True)
class Input:
    """Read, batch, move to the device.

    `order` is that of an epoch, a function of (seed, epoch) alone; a full batch has none.

    Once a batch is on the device, `augment` runs on those that are trained on, with random numbers of each sample's
    own; `batch_transforms` on all; `curriculum` then on those that are trained on, with the share of the run that is
    done, from 0 to 1. A thread makes up to `ahead` training batches before the step needs them, without the curriculum.
    """

    batch_size: int
    order: Order = shuffled
    loader: Loader = per_sample
    augment: tuple[Augment, ...] = ()
    batch_transforms: tuple[BatchTransform, ...] = ()
    curriculum: tuple[Callable[[Batch, float], Batch], ...] = ()
    sampling: Callable[[int], Sampling] | None = None
    ahead: int = 0


@dataclass(frozen=True, kw_only=True)
class Forward:
    """How the output and the loss are computed.

    `predict(model, batch) -> output` and `loss(output, batch) -> Loss` are each wrapped by every `around`, the first
    one innermost. `switches` are on while the recipe runs.
    """

    predict: Callable[[nn.Module, Batch], Any]
    loss: LossFunction
    wrappers: tuple[Wrapper, ...] = ()
    contexts: tuple[ContextFactory, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Backward:
    """How gradients are computed. A batch larger than `micro_batch` samples is split and its gradients accumulate.

    With a `loss_scale` the backward pass starts from so many times its usual start; the first thing done to the
    gradients is to take it out again (`hasten.training.loss_scale`).
    """

    micro_batch: int | None = None
    loss_scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Where the run lives."""

    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one run is built; the fields stand in the order in which data flow through a step."""

    task: Task
    input: Input
    model: tuple[Surgery, ...] = ()
    forward: Forward
    backward: Backward = field(default_factory=Backward)
    gradient: tuple[Callable[[], GradientStep], ...] = ()
    update: Update
    parallel: Parallel = field(default_factory=Parallel)

    @cached_property
    def device(self) -> Device:
        """The device that the run is on, to be asked about itself."""
        return Device(self.parallel.device)

    def with_surgery(self, change: ModelChange, *, undo: ModelChange = unchanged) -> Self:
        """Return the recipe with a change of the model, made after those that it has."""
        return replace(self, model=(*self.model, Surgery(change, undo)))

    def wrap(self, wrapper: Wrapper) -> Self:
        """Return the recipe with a wrapper around predict and loss, outside those that it has."""
        return self.with_forward(wrappers=(*self.forward.wrappers, wrapper))

    def with_context(self, context: ContextFactory) -> Self:
        """Return the recipe with a process-wide setting that is on while it runs."""
        return self.with_forward(contexts=(*self.forward.contexts, context))

    def with_gradient(self, make: Callable[[], GradientStep]) -> Self:
        """Return the recipe with a change of the gradients, made after those that it has."""
        return replace(self, gradient=(*self.gradient, make))

    def with_post_step(self, change: PostStep) -> Self:
        """Return the recipe with something done after each update, after what is done already."""
        return self.with_update(post_step=(*self.update.post_step, change))

    def with_batch_transform(self, transform: BatchTransform) -> Self:
        """Return the recipe with a change of every batch, after those that it has."""
        return self.with_input(batch_transforms=(*self.input.batch_transforms, transform))

    def with_curriculum(self, change: Callable[[Batch, float], Batch]) -> Self:
        """Return the recipe with a change of the training batches that depends on the progress, after those it has."""
        return self.with_input(curriculum=(*self.input.curriculum, change))

    def with_input(self, **fields: Any) -> Self:
        """Return the recipe with fields of `Input` replaced."""
        return replace(self, input=replace(self.input, **fields))

    def with_forward(self, **fields: Any) -> Self:
        """Return the recipe with fields of `Forward` replaced."""
        return replace(self, forward=replace(self.forward, **fields))

    def with_backward(self, **fields: Any) -> Self:
        """Return the recipe with fields of `Backward` replaced."""
        return replace(self, backward=replace(self.backward, **fields))

    def with_update(self, **fields: Any) -> Self:
        """Return the recipe with fields of `Update` replaced."""
        return replace(self, update=replace(self.update, **fields))

    def with_stop(self, **fields: Any) -> Self:
        """Return the recipe with stop rules replaced."""
        return replace(self, task=replace(self.task, stop=replace(self.task.stop, **fields)))


def call_model(model: nn.Module, batch: Batch) -> Any:
    """Return the model's output for a batch: every tensor but the last is an input."""
    return model(*inputs_of(batch))


def sample_loader(task: Task) -> Loader:
    """Return the loader that reads sample by sample with as many workers as the task has."""
    return Workers(task.data.workers) if task.data.workers else per_sample


def baseline(task: Task, *, device: str = "cpu") -> Recipe:
    """Return the recipe that trains `task` as plain PyTorch does, with no technique."""
    size = len(task.data.train)  # type: ignore[arg-type]  (map-style data sets have a length; `check` says so)
    full = task.batch_size is None or task.batch_size >= size
    return Recipe(
        task=task,
        input=Input(
            batch_size=size if task.batch_size is None or full else task.batch_size,
            loader=whole if full else sample_loader(task),
            augment=task.augment,
            batch_transforms=task.batch_transforms,
        ),
        forward=Forward(predict=call_model, loss=loss_function(task.loss)),
        update=task.update,
        parallel=Parallel(device=device),
    )
