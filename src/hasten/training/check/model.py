"""Checks of the model: that each call builds a fresh one, that data go through it, and that its last batch does."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput, HastenError
from hasten.base.seeds import seed_all
from hasten.base.user_code import user_location
from hasten.data.batch import Batch, has_target, inputs_of, select, target_of, tensors_of
from hasten.data.loading.streams import Stream
from hasten.data.tree import leaves_of
from hasten.training.check.call import call_text, repair_of_call, repair_of_output
from hasten.training.check.data import Seen
from hasten.training.check.failure import described, failure, with_batch
from hasten.training.lazy import initialize_lazy
from hasten.training.loss import ClassLoss, LossFunction, SquaredError
from hasten.training.output import compared
from hasten.training.recipe import call_model, training_of
from hasten.training.task import Task

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
        with with_batch(seen.batch, seen.part):
            raise failure("the model's lazy layers must take the data", error) from error
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise BadInput(
            f"the model must have parameters to train; found none with requires_grad in {type(model).__name__}."
        )
    return model


def _built(task: Task) -> nn.Module:
    if isinstance(task.model, nn.Module):
        name = type(task.model).__name__
        raise BadInput(
            f"Task.model must be a function that builds a new model at each call; found a {name}, already built.\n"
            f"    Task(..., model=lambda: {name}(...))"
        )
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
            "compiling pays (technique `compile`), and weights are saved under the plain module's names. To train "
            'compiled as today: Task(uses={"compile": {}}).'
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise BadInput(
            f"Task.model returned a TorchScript module ({type(model).__name__}), whose layers cannot be looked at or "
            "changed. Return the Python module that it was made from."
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise BadInput(
                f"Task.model must return a model with values; {name!r} is on the meta device. Build it on the CPU."
            )
    return model


def trial_output(model: nn.Module, task: Task, predict: Callable[[nn.Module, Batch], Any], seen: Seen) -> Any:
    """Return the model's output for the first samples.

    Raises:
        BadInput: if the model fails; names the layer and what came into it, or how the model was called.
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
    except HastenError:
        raise
    except Exception as error:
        raise _does_not_fit(error, model, inside, task, seen) from error
    finally:
        for handle in handles:
            handle.remove()


def _does_not_fit(
    error: Exception, model: nn.Module, inside: list[tuple[str, nn.Module, Any]], task: Task, seen: Seen
) -> BadInput:
    """Return the error that says what failed: a layer, the model as it was called, or the task's own function."""
    called = call_text(task, seen.batch)
    if not inside:
        what = "the loss, (mean, count) or a dict of named losses" if task.objective is not None else "the output"
        return failure(f"{called} must return {what} for the {seen.part} batch", error)
    name, layer, inputs = inside[-1]
    advice = f"{_hint(seen)}Change that layer, or the shape of the data."
    if name:
        shown = type(layer).__name__ if any(layer.children()) else repr(layer)
        must = f"the model must take the {seen.part} data; the layer {name!r}, {shown}, failed on {described(inputs)}"
        return failure(must, error, advice)
    if isinstance(error, TypeError) and not user_location(error):
        advice = repair_of_call(task, model, seen.batch)
    shown = type(model).__name__ if any(model.children()) else repr(model)
    must = f"the model must take the {seen.part} data; {shown}, called as {called}, failed on {described(inputs)}"
    return failure(must, error, advice)


def _hint(seen: Seen) -> str:
    return "Convert the data with .float(). " if any(map(_is_double, tensors_of(inputs_of(seen.batch)))) else ""


def _is_double(value: Tensor) -> bool:
    return value.is_floating_point() and value.element_size() == 8


def check_output(task: Task, loss: LossFunction, output: Any, seen: Seen) -> None:
    """Raise if a loss of hasten's own cannot compare the output with the target: it takes one tensor.

    Raises:
        BadInput: with the lines that pick the tensor, or give it the shape of the target.
    """
    if not isinstance(loss, ClassLoss | SquaredError):
        return
    name, found = "mse" if isinstance(loss, SquaredError) else "the loss over classes", compared(output)
    if not isinstance(found, Tensor):
        path = next((path for path, leaf in leaves_of(output) if isinstance(leaf, Tensor)), None)
        advice = "Is a return missing in its forward?" if output is None else "Return it from forward."
        raise BadInput(
            f"{name} compares one tensor with the target; the model returned {described(output)}. "
            + (advice if path is None else repair_of_output(task, seen.batch, path))
        )
    target = target_of(seen.batch) if has_target(seen.batch) else None
    if isinstance(loss, SquaredError) and isinstance(target, Tensor) and target.shape == found.shape[:-1]:
        raise BadInput(
            f"mse needs output and target of one shape; found {tuple(found.shape)} from the model and "
            f"{tuple(target.shape)} in the data, which would be compared each with all. "
            + repair_of_output(task, seen.batch, ".squeeze(-1)")
        )


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
