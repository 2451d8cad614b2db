"""Checks of the model: that each call builds a fresh one, that data go through it, and that its last batch does."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.base.seeds import seed_all
from hasten.data.batch import Batch, inputs_of, select, size_of, tensors_of
from hasten.data.loading.streams import Stream
from hasten.training.check.data import Seen
from hasten.training.check.failure import described, failure
from hasten.training.lazy import initialize_lazy
from hasten.training.recipe import call_model, training_of
from hasten.training.task import Task

_HOW_TO_CALL = """Say how the model is called:
    def predict(model, batch):
        return model(batch[0])  # or batch["name"], whatever it takes
    Task(..., predict=predict)
or, where the model computes its loss, Task(..., loss="model"). Or: """
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def fresh_model(task: Task, predict: Callable[[nn.Module, Batch], Any], seen: Seen) -> nn.Module:
    """Return a model that only this check holds; the shapes of lazy layers come from the first samples.

    Raises:
        BadInput: if the task does not build a model with parameters, or not a fresh one each time.
    """
    model, other = _built(task), _built(task)
    shared = {id(parameter) for parameter in other.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in shared:
            raise BadInput(
                f"Task.model must build a fresh model at each call; found the same parameter {name!r} in two of them. "
                "Make the layers inside the function."
            )
    try:
        initialize_lazy(model, predict, lambda: seen.batch)
    except Exception as error:
        raise failure("the model's lazy layers must take the data", error) from error
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise BadInput(
            f"the model must have parameters to train; found none with requires_grad in {type(model).__name__}."
        )
    return model


def _built(task: Task) -> nn.Module:
    seed_all(task.seed)
    try:
        model = task.model()
    except Exception as error:
        raise failure("Task.model must return a model", error) from error
    if not isinstance(model, nn.Module):
        found = type(model).__name__
        raise BadInput(f"Task.model must be a function that returns a torch.nn.Module; it returned {found}.")
    if isinstance(
        getattr(model, "_orig_mod", None), nn.Module
    ):  # torch._dynamo, which knows the class, is slow to import
        raise BadInput(
            "Task.model returned a module compiled by torch.compile. Return the module itself: hasten measures whether "
            "compiling pays (technique `compile`), and weights are saved under the plain module's names."
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise BadInput(
            f"Task.model returned a TorchScript module ({type(model).__name__}), whose layers cannot be looked at or "
            "changed. Return the Python module that it was made from."
        )
    return model


def trial_output(model: nn.Module, predict: Callable[[nn.Module, Batch], Any], seen: Seen) -> Any:
    """Return the model's output for the first samples.

    Raises:
        BadInput: if the model fails; names the layer, what came into it, and what the batch looks like.
    """
    inside: list[tuple[str, nn.Module, Any]] = []
    names = {module: name for name, module in model.named_modules()}

    def enter(module: nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        inside.append((names[module], module, (*inputs, *named.values())))

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        inside.pop()

    handles = [
        handle
        for module in names
        if not isinstance(module, torch.jit.ScriptModule)  # takes no hooks
        for handle in (module.register_forward_pre_hook(enter, with_kwargs=True), module.register_forward_hook(leave))
    ]
    try:
        return predict(model, seen.batch)
    except Exception as error:
        raise _does_not_fit(error, model, inside, seen) from error
    finally:
        for handle in handles:
            handle.remove()


def _does_not_fit(error: Exception, model: nn.Module, inside: list[tuple[str, nn.Module, Any]], seen: Seen) -> BadInput:
    name, layer, inputs = inside[-1] if inside else ("", model, inputs_of(seen.batch))
    shown = type(layer).__name__ if any(layer.children()) else repr(layer)
    what = f"the layer {name!r}, {shown}," if name else f"the model, {shown},"
    hint = "Convert the data with .float(). " if any(map(_is_double, tensors_of(inputs_of(seen.batch)))) else ""
    if not name and isinstance(error, TypeError):
        hint = _HOW_TO_CALL
    return failure(
        f"the model must take the data; {what} failed on {described(inputs)}, where the batch of {size_of(seen.batch)} "
        f"samples of the {seen.part} data has the inputs {described(inputs_of(seen.batch))}",
        error,
        f"{hint}Change that layer, or the shape of the data.",
    )


def _is_double(value: Tensor) -> bool:
    return value.is_floating_point() and value.element_size() == 8


def check_last_batch(task: Task, model: nn.Module, seen: Seen) -> None:
    """Raise if an epoch ends with a batch of one sample that batch norm cannot take. Changes the model's statistics."""
    given = training_of(task)
    if isinstance(given, Stream) or given.drop_last:
        return
    size = len(given)
    batch_size = min(task.batch_size or size, size)
    if size % batch_size != (0 if batch_size == 1 else 1):
        return
    if not any(isinstance(module, _BATCH_NORMS) for module in model.modules()):
        return
    model.train()
    try:
        call_model(model, select(seen.batch, slice(1)))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        good = next((other for other in range(batch_size + 1, size) if size % other != 1), size)
        advice = f"Choose another batch_size, for example {good}." if size > 1 else "Add training data."
        raise BadInput(
            f"batch norm needs more than one value per channel; found a batch of a single sample, since {size} "
            f"samples are cut into batches of {batch_size}. {advice}"
        ) from error
