"""From the objects of somebody's training loop to a recipe that techniques can refuse and change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, default_collate

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, size_of, split_batch, to_device
from hasten.data.loading.loaders import Loader, per_sample
from hasten.data.loading.order import Order, shuffled
from hasten.data.loading.workers import Workers
from hasten.loops.optimizer import built_with
from hasten.training.inspection import copy_of
from hasten.training.loss import Loss, loss_function
from hasten.training.optimizers import TORCH
from hasten.training.output import loss_among
from hasten.training.recipe import Forward, Input, Parallel, Recipe, call_model, call_with_all
from hasten.training.subject import Subject
from hasten.training.task import Update


@dataclass(frozen=True, kw_only=True)
class Given:
    """The objects of a loop, as its owner has them before the first step.

    Args:
        model: whose call is the forward pass.
        optimizer: over the trainable parameters of the model, and nothing else.
        loader: an iterable of batches, iterated anew in each epoch; None where the loop has no such object.
        loss: called as `loss(output, target)`; None where the model computes the loss.
        scheduler: a torch scheduler over the optimizer.
        example: a batch, for techniques that try the model; needed where `loader` is no `DataLoader` over samples.
        steps: updates that the loop will make; None where that is not known.
        device: to train on.
        name: of the loop, for messages.
        method: of the model, that computes what the backward pass starts from.
        keeps_optimizer: whether another optimizer cannot take the place of the given one.
        copy: returns a copy of the model on its device, to be tried.
    """

    model: nn.Module
    optimizer: optim.Optimizer
    loader: Iterable[Any] | None
    loss: Any
    scheduler: LRScheduler | None
    example: Batch | None
    steps: int | None
    device: str
    name: str
    method: str = "forward"
    keeps_optimizer: bool = False
    copy: Callable[[nn.Module], nn.Module] = copy_of


def check_optimizer(model: nn.Module, optimizer: optim.Optimizer) -> None:
    """Check that an optimizer holds the trainable parameters of a model and nothing else.

    Raises:
        BadInput: with the names of the parameters that it lacks, and the places of the tensors that it has too many.
    """
    named = dict(model.named_parameters())
    ids = {id(parameter) for parameter in named.values()}
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    foreign = [
        f"group {number}, parameter {place} {tuple(parameter.shape)}"
        for number, group in enumerate(optimizer.param_groups)
        for place, parameter in enumerate(group["params"])
        if id(parameter) not in ids
    ]
    missing = [name for name, one in named.items() if one.requires_grad and id(one) not in held]
    kind = type(optimizer).__name__
    if not any(one.requires_grad for one in named.values()):
        raise BadInput(
            f"the model {type(model).__name__} must have parameters to train; found none with requires_grad."
        )
    if foreign:
        raise BadInput(
            f"the optimizer {kind} holds {len(foreign)} tensors that the model does not have: {_few(foreign)}. "
            "It was probably built before the model was replaced or moved: build it from model.parameters() again."
        )
    if missing:
        raise BadInput(
            f"the optimizer {kind} lacks {len(missing)} trainable parameters of the model: {_few(missing)}. "
            "Add them to a parameter group, or freeze them with requires_grad_(False)."
        )


def recipe_of(given: Given) -> Recipe:
    """Return the recipe of the loop as it is: its stages hold what the objects do today."""
    data = samples_of(given.loader)
    reader = _reader(data) if data is not None else None
    batch_size = data.batch_size if data is not None else None
    if batch_size is None and given.example is not None:
        batch_size = size_of(given.example)
    train = data.dataset if data is not None else None
    known_loss: Any = given.loss
    device = torch.device(given.device)
    subject = Subject(
        name=given.name,
        loss=loss_function(known_loss) if known_loss is not None else None,
        train=train,
        train_samples=None if data is None else len(data.dataset),  # type: ignore[arg-type]
        planned_steps=given.steps,
        reader=reader,
        build=lambda: given.copy(given.model).cpu().train(),
        model_parts=(given.model,),
        load=_load(data, given.example),
        batch_parts=(given.loader, given.example),
    )
    return Recipe(
        given=subject,
        input=Input(batch_size=batch_size or 0, order=_order(data), loader=reader or _no_reader),
        forward=Forward(
            predict=call_with_all if subject.loss is None else call_model, loss=subject.loss or LossOfModel()
        ),
        update=update_of(given.optimizer, given.scheduler),
        parallel=Parallel(device=str(device)),
    )


def samples_of(loader: Iterable[Any] | None) -> "DataLoader[Any] | None":
    """Return a loader whose batches are known samples of a data set: torch's own, with its plain batch sampler."""
    if type(loader) is not DataLoader or isinstance(loader.dataset, IterableDataset):
        return None
    return loader if type(loader.batch_sampler) is BatchSampler and loader.batch_size is not None else None


def update_of(optimizer: optim.Optimizer, scheduler: LRScheduler | None) -> Update:
    """Return the optimizer as a name with options where it is one of torch's, else as a function that returns it."""
    schedule: Any = "fixed" if scheduler is None else (lambda made: scheduler)
    name = _name_of(optimizer)
    if name is None:
        return Update(optimizer=lambda model: optimizer, schedule=schedule)
    first = optimizer.param_groups[0]
    options = {key: first.get(key, value) for key, value in built_with(optimizer).items() if key != "lr"}
    rate = _number(first["lr"]) or _number(first.get("initial_lr", 0.0))  # a warm-up begins at 0
    return Update(optimizer=name, lr=rate, options=options, schedule=schedule)


def _name_of(optimizer: optim.Optimizer) -> str | None:
    kind: Any = type(optimizer)
    if kind is optim.SGD:
        group = optimizer.param_groups[0]
        if not group["momentum"]:
            return "sgd"
        return "nesterov" if group["nesterov"] else "momentum"
    return next((name for name, (known, _) in TORCH.items() if known is kind), None)


def _number(rate: Any) -> float:
    return float(rate.item() if isinstance(rate, Tensor) else rate)


def _reader(loader: "DataLoader[Any]") -> Loader | None:
    """Return the loader of hasten that makes the same batches; None where the owner collates samples himself."""
    if loader.collate_fn is not default_collate:
        return None
    return Workers(loader.num_workers) if loader.num_workers else per_sample


def _order(loader: "DataLoader[Any] | None") -> Order:
    """Return the random order where the sampler draws one of all samples; else one that no technique replaces."""
    sampler = None if loader is None else loader.sampler
    return shuffled if type(sampler) is RandomSampler and not sampler.replacement else _own_order


def _own_order(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    raise BadInput("the order of the samples comes from the sampler of the loader.")


def _load(loader: "DataLoader[Any] | None", example: Batch | None) -> Any:
    if example is not None:
        return lambda samples: to_device(split_batch(example, samples)[0], "cpu")
    if loader is None:
        return None
    dataset: Any = loader.dataset
    collate: Any = loader.collate_fn
    return lambda samples: to_device(collate([dataset[place] for place in range(min(samples, len(dataset)))]), "cpu")


def _no_reader(dataset: Any, batch_size: int) -> Any:
    raise BadInput("the samples of this loop are not known: its loader is not torch's DataLoader over a data set.")


class LossOfModel:
    """The loss that a model returns: its output, or the field `loss` or first part of that; a mean over samples."""

    def __call__(self, output: Any, batch: Batch) -> Loss:
        found = loss_among(output)
        if not isinstance(found, Tensor) or found.ndim:
            raise BadInput(
                f"the model must return its loss as a scalar tensor, as `.loss` or ['loss']; found "
                f"{type(output).__name__}. Pass loss= if the loop computes the loss itself."
            )
        count = self.count(batch)
        return Loss(found * count, count)

    def count(self, batch: Batch) -> int:
        """Return the number of samples."""
        return size_of(batch)


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
