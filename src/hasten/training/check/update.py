"""Checks of the optimizer and the schedule: built, one step made, saved and loaded."""

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils._pytree import tree_map

from hasten.base.errors import BadInput, HastenError
from hasten.training.check.failure import failure
from hasten.training.optimizers import build_optimizer, needs_closure
from hasten.training.replayed_schedule import replayed_schedule
from hasten.training.task import Task


def check_optimizer(task: Task, model: nn.Module) -> optim.Optimizer:
    """Return the task's optimizer, built for the model.

    Raises:
        BadInput: if the name is unknown, an option is wrong, a factory returns something else
            or an optimizer of another model, or the schedule cannot be used.
    """
    optimizer = _built(lambda: build_optimizer(task.update, model), task)
    ours = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in ours for group in optimizer.param_groups for parameter in group["params"]):
        raise BadInput(
            "Update.optimizer must use the parameters of the model that it is given; found none of them in the "
            "optimizer. Use the function's argument, not a model from outside."
        )
    replayed_schedule(task.update.schedule, optimizer)
    return optimizer


def _built(build: Callable[[], optim.Optimizer], task: Task) -> optim.Optimizer:
    try:
        return build()
    except HastenError:
        raise
    except Exception as error:
        named = isinstance(task.update.optimizer, str)
        must = f"the optimizer {task.update.optimizer!r} must be able to use its options"
        raise failure(must if named else "Update.optimizer must return an optimizer", error) from error


def check_step(optimizer: optim.Optimizer, closure: Callable[[], Tensor]) -> None:
    """Raise if the optimizer cannot make a step with the gradients that are there, or its state cannot be saved.

    Changes the model. `closure` evaluates the mean loss and its gradients, for optimizers that ask for it.

    Raises:
        BadInput: names the optimizer and what failed.
    """
    name = type(optimizer).__name__
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sparse = any(parameter.grad is not None and parameter.grad.is_sparse for parameter in parameters)
    try:
        if needs_closure(optimizer):
            optimizer.step(closure)  # type: ignore[arg-type]  (torch types a closure as one that returns a float)
        else:
            optimizer.step()
    except Exception as error:
        advice = (
            "The model has sparse gradients (an embedding with sparse=True): set sparse=False, or use an optimizer "
            'that takes them, such as "sgd" or "adagrad".'
            if sparse
            else "Choose another optimizer."
        )
        raise failure(f"the optimizer {name} must be able to update this model", error, advice) from error
    check_saved(optimizer)


def check_saved(optimizer: optim.Optimizer) -> None:
    """Raise `BadInput` if the state of an optimizer that has made a step cannot be saved and loaded."""
    name = type(optimizer).__name__
    content = io.BytesIO()
    try:
        torch.save(tree_map(_emptied, optimizer.state_dict()), content)
        content.seek(0)
        torch.load(content, weights_only=True)
    except Exception as error:
        raise failure(
            f"the state of the optimizer {name} must be tensors and plain values, so that a checkpoint can be loaded",
            error,
            "Choose another optimizer.",
        ) from error


def _emptied(value: Any) -> Any:
    """Return a tensor without its numbers: what kind of object it is decides whether it loads."""
    return torch.empty(0, dtype=value.dtype) if type(value) is Tensor else value
