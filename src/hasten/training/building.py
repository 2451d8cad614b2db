"""From a recipe to a session: the model, the optimizer and the data are made."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

from torch import nn, optim
from torch.utils.data import TensorDataset

from hasten.base.device import Device
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.seeds import random_state, seed_all, set_random_state
from hasten.data.batch import Batch, batch_of, has_target, target_of
from hasten.data.loading.given import Given
from hasten.data.loading.loaders import Fetch, gathered
from hasten.data.loading.loaders import whole as all_samples
from hasten.data.loading.streams import Stream
from hasten.training.calls import Function, Wrapper, called_parts, prepared
from hasten.training.contexts import Contexts
from hasten.training.kept import Kept
from hasten.training.lazy import initialize_lazy
from hasten.training.local_steps import CommonWeights
from hasten.training.loss import ClassLoss, Loss, LossFunction
from hasten.training.loss_scale import LossScale
from hasten.training.optimizers import build_optimizer, needs_closure
from hasten.training.position import Position
from hasten.training.recipe import Input, Recipe, epoch_samples, own_batch_size, sample_loader, training_of
from hasten.training.reduction import of_whole_batch, own_share
from hasten.training.replayed_schedule import replayed_schedule
from hasten.training.schedule import factor_of, plateau_of
from hasten.training.session import Session
from hasten.training.source import ByIds, FromStream, Source
from hasten.training.step import ForwardBackward, OfSession, Step, closure_update, guarded_update, one_update
from hasten.training.task import Task, quality_of
from hasten.training.transforms import Attached, LeavesOut
from hasten.training.validation import validation_reader


def build(recipe: Recipe, *, seed: int | None = None) -> Session:
    """Build the model, the optimizer and the data of a recipe. Seeds the global generators.

    After this call the generators stand where they stood when the model was built, whatever techniques did to it,
    so that two recipes of one task draw the same random numbers.

    Raises:
        ValueError: if the recipe lacks the techniques that the task uses.
    """
    task = recipe.task
    if task.uses and not recipe.uses:
        raise ValueError(f"{task.name!r} uses {', '.join(task.uses)}: make its recipe with techniques.baseline")
    seed = task.seed if seed is None else seed
    task.data.rewind()
    seed_all(seed)
    model = task.model()
    initialize_lazy(model, recipe.forward.predict, recipe.first_batch)
    state = random_state()
    for surgery in recipe.model:
        model = surgery.change(model)
    model = on_device(model, recipe.device)
    model.train()
    optimizer = build_optimizer(recipe.update, model)
    set_random_state(state)
    forward, schedule = recipe.forward, recipe.update.schedule
    scale = None if recipe.backward.loss_scale is None else LossScale(recipe.backward.loss_scale)
    train, samples = training_of(task), epoch_samples(recipe)
    fetch = None if isinstance(train, Stream) else recipe.input.loader(train.dataset, own_batch_size(recipe))
    sampling = recipe.input.sampling(samples) if recipe.input.sampling and samples is not None else None
    loss = _without_ignored(forward.loss, recipe) if sampling is None else sampling.weighed(forward.loss)
    replayed = replayed_schedule(schedule, optimizer)
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    forward_backward, kept = _gradients_of(recipe, model, optimizer, list(named.values()))
    return Session(
        recipe=recipe,
        seed=seed,
        model=model,
        named_parameters=named,
        parameters=list(named.values()),
        optimizer=optimizer,
        **_forward_of(recipe, model, loss),
        step=recipe.step or _step_of(recipe, optimizer),
        forward_backward=forward_backward,
        gradient=[Attached(one, one.init(named)) for one in recipe.gradient],
        post_step=[Attached(one, one.init(named)) for one in recipe.update.post_step],
        quality=quality_of(task),
        samples=samples,
        source=_source(recipe, train, fetch, samples, seed=seed),
        train_fetch=fetch,
        validation=validation_reader(recipe),
        base_lrs=[group["lr"] for group in optimizer.param_groups],
        options=[deepcopy({key: group[key] for key in group if key != "params"}) for group in optimizer.param_groups],
        factor=factor_of(schedule, recipe.subject.planned_steps, task.stop.seconds) if replayed is None else None,
        replayed=replayed,
        plateau=plateau_of(schedule),
        untouched=recipe.device.is_host and sampling is None and not changes_batches(recipe.input),
        scale=scale,
        sampling=sampling,
        kept=kept,
        objects=_objects(task, model, optimizer),
        processes=recipe.parallel.processes,
    )


def on_device(model: nn.Module, device: Device) -> nn.Module:
    """Return the model on a device; one that is there is left alone: fake tensors cannot be moved in place."""
    tensors = (*model.parameters(), *model.buffers())
    there = device.is_host and all(Device(one.device.type).is_host for one in tensors)
    return model if there else model.to(device.name)


def _step_of(recipe: Recipe, optimizer: optim.Optimizer) -> Step:
    """Return the strategy of a step that the optimizer and the transforms need."""
    if needs_closure(optimizer):
        return closure_update
    return guarded_update if any(isinstance(one, LeavesOut) for one in recipe.gradient) else one_update


def _gradients_of(
    recipe: Recipe, model: nn.Module, optimizer: optim.Optimizer, parameters: Sequence[nn.Parameter]
) -> tuple[ForwardBackward, Kept | None]:
    """Return the first half of a step, and what processes that train together keep from one to the next."""
    ours = recipe.parallel
    if ours.processes is None:
        strategy = recipe.backward.forward_backward
        return (strategy.begun() if isinstance(strategy, OfSession) else strategy), None
    if ours.local is not None:
        return partial(own_share, ours.processes), CommonWeights(ours.local, parameters, optimizer)
    reducing = ours.reduction(model, ours.processes)
    return partial(of_whole_batch, reducing.share), reducing.kept


def with_batch_size(run: Session, size: int) -> Session:
    """Return a session over the same model and optimizer that reads batches of another size, from the first sample on.

    Raises:
        ValueError: if the training data come as batches.
    """
    recipe = run.recipe.with_input(batch_size=size)
    train, samples = training_of(recipe.task), epoch_samples(recipe)
    if isinstance(train, Stream):
        raise ValueError(f"the batches of {recipe.task.name!r} have the size that they come in: {train.reason}")
    fetch = recipe.input.loader(train.dataset, size)
    source = _source(recipe, train, fetch, samples, seed=run.seed)
    return replace(run, recipe=recipe, source=source, train_fetch=fetch, samples=samples, position=Position())


_SHARED = ("task", "input", "model", "backward", "gradient", "update", "parallel", "step")

"""Parts of a recipe that decide about everything in a session but its forward pass."""


def forward_alone(before: Recipe, after: Recipe) -> bool:
    """Return whether two recipes differ in the forward pass alone, so that one model and optimizer serve both."""
    return all(getattr(before, part) is getattr(after, part) for part in _SHARED)


def with_forward(run: Session, recipe: Recipe) -> Session | None:
    """Return a session over the same model, optimizer and data that computes the forward pass as `recipe` does.

    Both train the same weights. None where the recipes differ in more than wrappers and process-wide settings, or the
    training data are a stream.
    """
    train = training_of(recipe.task)
    if not forward_alone(run.recipe, recipe) or run.sampling is not None or isinstance(train, Stream):
        return None
    return replace(
        run,
        recipe=recipe,
        **_forward_of(recipe, run.model, _without_ignored(recipe.forward.loss, recipe)),
        source=_source(recipe, train, run.train_fetch, run.samples, seed=run.seed),
        position=Position(),
    )


class _Forward(TypedDict):
    """What of a session computes the forward pass."""

    predict: Callable[[Batch], Any]
    loss: Callable[[Any, Batch], Loss]
    loss_function: LossFunction
    contexts: Contexts
    around: Sequence[Callable[[], Callable[[], None]]]


def _forward_of(recipe: Recipe, model: nn.Module, loss: LossFunction) -> _Forward:
    """Return what computes the forward pass of a recipe on a model, with its wrappers around."""
    forward, contexts = recipe.forward, Contexts(recipe.forward.contexts)
    own_calls = recipe.task_step is not None and forward.wrappers
    return _Forward(
        predict=contexts.required_by(partial(_wrapped(forward.predict, forward.wrappers), model)),
        loss=_wrapped(loss, forward.wrappers),
        loss_function=loss,
        contexts=contexts,
        around=_calls_around(model, forward.wrappers) if own_calls else (),
    )


def _calls_around(model: nn.Module, wrappers: Sequence[Wrapper]) -> Sequence[Callable[[], Callable[[], None]]]:
    """Return what puts the wrappers around the calls that a step of the task's own makes of the model."""
    return [prepared(part, wrappers) for part in called_parts(model)]


def _objects(task: Task, model: nn.Module, optimizer: optim.Optimizer) -> ObjectState:
    """Return the state of what the person wrote, as far as no `state_dict` has it."""
    return ObjectState(
        {
            "model": (model, Tensors.UNREGISTERED),
            "loss": (task.loss, Tensors.ALL),
            "predict": (task.predict, Tensors.ALL),
            "objective": (task.objective, Tensors.ALL),
            "step": (task.step, Tensors.ALL),
            "optimizer": (optimizer, Tensors.NONE),
            "training data": (task.data.train, Tensors.NONE),
            "validation data": (task.data.valid, Tensors.NONE),
            "augment": (task.augment, Tensors.NONE),
            "batch transforms": (task.batch_transforms, Tensors.NONE),
        }
    )


def changes_batches(ours: Input) -> bool:
    """Return whether training batches are changed after they are fetched."""
    return bool(ours.augment or ours.batch_transforms or ours.curriculum)


def _without_ignored(loss: LossFunction, recipe: Recipe) -> LossFunction:
    """Return the loss, which need not look for ignored labels in each batch where the data are known to have none."""
    if not isinstance(loss, ClassLoss) or loss.ignore_index is None or loss.weight is not None:
        return loss
    task, ours = recipe.task, recipe.input
    if (
        task.data.collate is not None
        or changes_batches(ours)
        or ours.loader not in (all_samples, gathered, sample_loader(task))
    ):
        return loss
    for dataset in (task.data.train, task.data.valid):
        if dataset is None:
            continue
        if not isinstance(dataset, TensorDataset) or not len(dataset):
            return loss
        columns = batch_of(dataset.tensors)
        if not has_target(columns):
            return loss
        target = target_of(columns)
        if target.is_floating_point() or int(target.min()) < 0 or bool((target == loss.ignore_index).any()):
            return loss
    return replace(loss, ignore_index=None)


def _source(recipe: Recipe, train: Given, fetch: Fetch | None, samples: int | None, *, seed: int) -> Source:
    if isinstance(train, Stream):
        return FromStream(train, recipe.task.name)
    assert fetch is not None, "samples that are read by their ids have a fetch"
    assert samples is not None, "samples that are read by their ids have a number"
    return ByIds(fetch, recipe.input, samples, len(train), seed=seed, processes=recipe.parallel.processes)


def _wrapped(function: Function, around: Sequence[Wrapper]) -> Function:
    for wrap in around:
        function = wrap(function)
    return function
