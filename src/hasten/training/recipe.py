"""How one run is built, stage by stage: plain values and functions, and nothing is built until the run starts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from torch import nn
from torch.utils.data import default_collate

from hasten.base.device import Device
from hasten.base.seeds import seed_all
from hasten.data.augmentation.draws import Augment
from hasten.data.batch import Batch, arguments_of, changed_in_turn, to_device
from hasten.data.loading.given import Given, Samples, checked_length, in_own_order, length_of
from hasten.data.loading.loaders import Loader, per_sample, whole
from hasten.data.loading.order import Order, shuffled
from hasten.data.loading.sample_randomness import drawn_from
from hasten.data.loading.streams import Stream, first_of_stream
from hasten.training.additivity import find_counting
from hasten.training.balance import Balance
from hasten.training.calls import Wrapper
from hasten.training.contexts import ContextFactory
from hasten.training.lazy import initialize_lazy
from hasten.training.local_steps import LocalSteps
from hasten.training.loss import LossFunction, OfMean, OfReturned, loss_function, with_counting
from hasten.training.output import itself, own_loss
from hasten.training.own_step import OwnUpdate
from hasten.training.processes import Processes
from hasten.training.reduction import Reduction, after_backward
from hasten.training.sampling import Sampling
from hasten.training.step import ForwardBackward, Step, accumulate
from hasten.training.subject import Examples, Subject, first_samples, planned_steps
from hasten.training.task import OwnStep, Task, Update, no_task
from hasten.training.transforms import GradientTransform, Parameters, PostStep, Stateless

if TYPE_CHECKING:
    from hasten.training.technique import Technique

_TRIED = 8  # samples

ModelChange: TypeAlias = Callable[[nn.Module], nn.Module]
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

    `order` is that of an epoch, a function of (seed, epoch) alone, or drawn as the person's `DataLoader` draws it; a
    full batch has none. With `drop_last` an epoch leaves out a last batch that is smaller. Data that come as batches
    have neither order nor loader: `Task.data` iterates them.

    Once a batch is on the device, `augment` runs on those that are trained on, with random numbers of each sample's
    own; `batch_transforms` on all; `curriculum` then on those that are trained on, with the share of the run that is
    done, from 0 to 1. A thread makes up to `ahead` training batches before the step needs them, without the curriculum.
    """

    batch_size: int
    order: Order = shuffled
    drop_last: bool = False
    loader: Loader = per_sample
    augment: tuple[Augment, ...] = ()
    batch_transforms: tuple[BatchTransform, ...] = ()
    curriculum: tuple[Callable[[Batch, float], Batch], ...] = ()
    sampling: Callable[[int], Sampling] | None = None
    ahead: int = 0


@dataclass(frozen=True, kw_only=True)
class Forward:
    """How the output and the loss are computed.

    `predict(model, batch) -> output` and `loss(output, batch) -> Loss` are each wrapped by every wrapper, the first
    one innermost. `contexts` are entered while the recipe runs.
    """

    predict: Callable[[nn.Module, Batch], Any]
    loss: LossFunction
    wrappers: tuple[Wrapper, ...] = ()
    contexts: tuple[ContextFactory, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Backward:
    """How gradients are computed. A batch larger than `micro_batch` samples is split and its gradients accumulate.

    `forward_backward(session, batch, mark) -> Loss` is the strategy that computes them (`hasten.training.step`).
    With a `loss_scale` the backward pass starts from so many times its usual start; the first thing done to the
    gradients is to take it out again (`hasten.training.loss_scale`).
    """

    micro_batch: int | None = None
    loss_scale: float | None = None
    forward_backward: ForwardBackward = accumulate


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Where the run lives: its device, and the processes that train together; None for one alone.

    `reduction` makes of the gradients of their shares that of the whole batch (`hasten.training.reduction`). In a
    `sharded` run each process holds a part of the parameters: whatever reads them is a collective. Where one `keeps`
    something of its own from step to step (`hasten.training.kept`), the state of a session is a collective. With a
    `balance` shares follow the speed of the processes; without one they stay as they are. `notes` are what there is to
    say about it before the training starts.

    `relief` says what makes less work for a process that is slower than the others.

    With `local` steps processes update on their own and synchronize now and then; `reduction` has no part in that.

    Where layers are collectives themselves, every process makes every pass. One without samples makes it on examples,
    inside `idle(model)`: there such layers take part and count nothing. None: no layer is one.
    """

    device: str = "cpu"
    processes: Processes | None = None
    reduction: Reduction = after_backward
    sharded: bool = False
    balance: Balance | None = None
    notes: tuple[str, ...] = ()
    keeps: bool = False
    local: LocalSteps | None = None
    relief: str = "Give it fewer samples of each batch."
    idle: Callable[[nn.Module], AbstractContextManager[None]] | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one run is built; the fields stand in the order in which data flow through a step.

    `step(session, batch, mark) -> Loss` is the strategy of a whole step; None for the one that the optimizer needs: one
    update by the gradient of one batch, or a closure for an optimizer that evaluates the loss several times. `examples`
    holds what `subject` has built; a recipe made of another by `replace` shares it.

    `uses` are the techniques that the training uses today, in order, and `bare` the recipe without them: a plan is
    applied to it together with them, so that all stand in the order of the stages.

    A training loop that its owner keeps has no task: such a recipe has the facts that are known of it in `given`. It
    cannot be built; what its stages hold is carried out on the objects of that loop (`hasten.loops`).
    """

    task: Task = field(default_factory=no_task)
    given: Subject | None = None
    input: Input
    model: tuple[Surgery, ...] = ()
    forward: Forward
    backward: Backward = field(default_factory=Backward)
    gradient: tuple[GradientTransform, ...] = ()
    update: Update
    parallel: Parallel = field(default_factory=Parallel)
    step: Step | None = None
    uses: "tuple[Technique, ...]" = ()
    bare: "Recipe | None" = field(default=None, repr=False, compare=False)
    examples: Examples = field(default_factory=Examples, repr=False, compare=False)

    @cached_property
    def subject(self) -> Subject:
        """What is trained, for refusals and techniques; its example model and batch are built when asked for."""
        if self.given is not None:
            return self._subject_of(self.given)
        task, loader, prepare = self.task, self.input.loader, self.input.batch_transforms
        stop, batch_size, train, valid = task.stop, self.input.batch_size, training_of(task), validation_of(task)
        by_ids = in_own_order(valid) if valid is not None else None

        def build() -> nn.Module:
            seed_all(task.seed)
            model = task.model()
            initialize_lazy(model, self.forward.predict, self.first_batch)
            for surgery in self.model:
                model = surgery.change(model)
            return model

        def load(samples: int) -> Batch:
            if isinstance(train, Stream):
                batch = first_of_stream(train, samples)
            else:
                batch = first_samples(train.dataset, loader, samples)
            return changed_in_turn(to_device(batch, "cpu"), prepare)

        return Subject(
            name=task.name,
            seed=task.seed,
            loss=self.forward.loss,
            train=None if isinstance(train, Stream) else train.dataset,
            valid=None if by_ids is None else by_ids.dataset,
            stream=train if isinstance(train, Stream) else None,
            collate=default_collate if isinstance(train, Stream) else train.collate,
            given=None if isinstance(train, Stream) else train.given,
            train_samples=epoch_samples(self),
            valid_samples=None if by_ids is None else length_of(by_ids.dataset),
            batch_size=batch_size,
            full_batch=task.batch_size is None,
            device=self.device,
            planned_steps=planned_steps(stop.steps, stop.epochs, steps_per_epoch(self)),
            epoch_steps=steps_per_epoch(self),
            seconds=stop.seconds,
            reader=sample_loader(task),
            build=build,
            model_parts=(task.model, *self.model),
            load=load,
            batch_parts=(task.data.train, loader, *prepare),
            examples=self.examples,
        )

    def _subject_of(self, given: Subject) -> Subject:
        """Return the facts of a loop as they are with what this recipe changes."""
        prepare, build, load = self.input.batch_transforms, given.build, given.load

        def changed_model() -> nn.Module:
            assert build is not None, "only asked for where it is known"
            model = build()
            for surgery in self.model:
                model = surgery.change(model)
            return model

        def prepared(samples: int) -> Batch:
            assert load is not None, "only asked for where it is known"
            return changed_in_turn(load(samples), prepare)

        return replace(
            given,
            loss=self.forward.loss if given.loss is not None else None,
            batch_size=self.input.batch_size,
            device=self.device,
            build=None if build is None else changed_model,
            model_parts=(*given.model_parts, *self.model),
            load=None if load is None else prepared,
            batch_parts=(*given.batch_parts, *prepare),
            examples=self.examples,
        )

    def first_batch(self) -> Batch:
        """Return two training samples as the task's own model takes them, before techniques change either."""
        return changed_in_turn(to_device(self.subject.raw_batch(2), "cpu"), self.task.batch_transforms)

    @property
    def task_step(self) -> "OwnStep | None":
        """The step that the task makes itself, None for others."""
        return None if self.given is not None else self.task.step

    @property
    def judges_itself(self) -> bool:
        """Whether `Task.validate` judges the model, which it calls by itself."""
        return self.given is None and self.task.validate is not None

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

    def with_gradient(self, transform: GradientTransform | Callable[[Parameters], bool]) -> Self:
        """Return the recipe with a transform of the gradients, after those that it has; a function has no state."""
        made = Stateless(transform) if callable(transform) else transform
        return replace(self, gradient=(*self.gradient, made))

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
        bare = None if self.bare is None else self.bare.with_stop(**fields)
        return replace(self, task=replace(self.task, stop=replace(self.task.stop, **fields)), bare=bare)


def call_model(model: nn.Module, batch: Batch) -> Any:
    """Return the model's output: called with the elements of a tuple or the fields of a mapping, without the target."""
    args, named = arguments_of(batch)
    return model(*args, **named)


def call_with_all(model: nn.Module, batch: Batch) -> Any:
    """Return the output of a model that takes the target, too, and computes its loss."""
    args, named = arguments_of(batch, whole=True)
    return model(*args, **named)


def forward_of(task: Task) -> Forward:
    """Return how a task computes output and loss."""
    if task.objective is not None:
        return Forward(predict=task.objective, loss=OfReturned(itself))
    if task.loss == "model":
        return Forward(predict=task.predict or call_with_all, loss=OfReturned(own_loss))
    return Forward(predict=task.predict or call_model, loss=loss_function(task.loss))


def counted(recipe: Recipe) -> Recipe:
    """Return the recipe with what the mean of its loss divides by, found by trying it on a few samples.

    Cost: some forward passes of up to eight samples, once, and only for a loss of one's own.
    """
    loss = recipe.forward.loss
    if not isinstance(loss, OfMean | OfReturned) or loss.counting is not None:
        return recipe
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch(_TRIED)
    return recipe.with_forward(loss=with_counting(loss, find_counting(loss, recipe.forward.predict, model, batch)))


def training_of(task: Task) -> Given:
    """Return how the training data are read today."""
    return task.data.training(task.batch_size)


def validation_of(task: Task) -> Given | None:
    """Return how the validation data are read; None where only `Task.validate` judges the model."""
    return task.data.validation(task.valid_batch_size or task.batch_size)


def sample_loader(task: Task) -> Loader | None:
    """Return the loader that reads by ids as the training does today; None for data that come as batches."""
    train = training_of(task)
    return None if isinstance(train, Stream) else train.loader


def epoch_samples(recipe: Recipe) -> int | None:
    """Return the samples that an epoch uses, or None where only iterating tells."""
    train = training_of(recipe.task)
    if isinstance(train, Stream):
        return None
    size = recipe.input.batch_size
    return len(train) // size * size if recipe.input.drop_last else len(train)


def steps_per_epoch(recipe: Recipe) -> int | None:
    """Return how many updates an epoch makes, or None where only iterating tells."""
    train = training_of(recipe.task)
    if isinstance(train, Stream):
        return train.steps or train.batches
    samples = epoch_samples(recipe)
    return None if samples is None else -(-samples // recipe.input.batch_size)


def _is_constant(train: Samples) -> bool:
    """Return whether one reading of all samples is the full batch of every epoch."""
    return train.collate is default_collate and not drawn_from(train.dataset)


def baseline(task: Task, *, device: str = "cpu") -> Recipe:
    """Return the recipe that trains `task` as plain PyTorch does, with no technique.

    A task that uses techniques is built from `hasten.techniques.baseline.baseline_of`.

    Raises:
        BadInput: if the training data have no length, or no batch.
    """
    train = training_of(task)
    if isinstance(train, Stream):
        given = Input(batch_size=task.data.stream_batch_size(train))
    else:
        samples = checked_length(train)
        full = train.given is None and (task.batch_size is None or task.batch_size >= samples)
        given = Input(
            batch_size=samples if full or task.batch_size is None else int(task.batch_size),
            loader=whole if full and _is_constant(train) else train.loader,
            order=train.order,
            drop_last=train.drop_last,
        )
    return Recipe(
        task=task,
        input=replace(given, augment=task.augment, batch_transforms=task.batch_transforms),
        forward=forward_of(task),
        update=task.update,
        step=None if task.step is None else OwnUpdate(task.step),
        parallel=Parallel(device=device),
    )


def own_batch_size(recipe: Recipe) -> int:
    """Return how many samples of a usual batch this process computes: all, or its share."""
    processes, size = recipe.parallel.processes, recipe.input.batch_size
    return size if processes is None else processes.own_size(size)
