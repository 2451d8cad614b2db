"""How a task calls its model, as Python that a person would write; and how it could be called instead."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hasten.data.batch import Batch, has_target, target_name
from hasten.data.batch_tree import leaves_to_show
from hasten.data.tree import is_opaque, is_record, names_of, step_to
from hasten.training.task import Task


def call_text(task: Task, batch: Batch) -> str:
    """Return what computes a task's output, as Python: `model(batch)`, `Task.predict(model, batch)`."""
    if task.step is not None:
        return "Task.step(session, batch)"
    if task.objective is not None:
        return "Task.objective(model, batch)"
    if task.predict is not None:
        return "Task.predict(model, batch)"
    whole = task.loss == "model"
    if is_opaque(batch) or not names_of(batch):
        return "model(batch)"
    if isinstance(batch, Mapping) and not all(isinstance(name, str) for name in names_of(batch)):
        return "model(batch)"
    target = None if whole else target_name(batch)
    names = [name for name in names_of(batch) if name != target]
    return f"model({_arguments(batch, names, named=_is_named(batch))})"


def repair_of_call(task: Task, model: nn.Module, batch: Batch) -> str:
    """Return the lines that make a model callable with this batch, taken from the signature of its `forward`."""
    if task.objective is not None or task.predict is not None:
        return ""
    call = f"model({_fitting(model, batch)})"
    if task.loss == "model":
        return (
            'With Task(loss="model") the model is called with the whole batch and returns its loss. To compute the '
            f"loss outside of it:\n    def objective(model, batch):\n        return loss_of({call}, ...)\n"
            "    Task(..., objective=objective)"
        )
    if has_target(batch):
        return (
            f"Say how the model is called:\n    def predict(model, batch):\n        return {call}\n"
            "    Task(..., predict=predict)"
        )
    return (
        "No field is named as a target (labels, label, targets, target, y), so all of them are inputs. Rename that "
        "field, or say what to compute:\n    def objective(model, batch):\n"
        f"        return loss_of({call}, ...)\n    Task(..., objective=objective)"
    )


def repair_of_output(task: Task, batch: Batch, change: str) -> str:
    """Return the lines that change what the model returned before it is compared: `['scores']`, `.squeeze(-1)`."""
    call = call_text(task, batch)
    if call.startswith("Task."):
        return f"Return ...{change} from {call}."
    return (
        f"Say what is compared:\n    def predict(model, batch):\n        return {call}{change}\n"
        "    Task(..., predict=predict)"
    )


def _fitting(model: nn.Module, batch: Batch) -> str:
    """Return the parts of a batch, without the target, that the model's `forward` has parameters for."""
    target = target_name(batch)
    names = [] if is_opaque(batch) else [name for name in names_of(batch) if name != target]
    if not names:
        return next((leaf.path for leaf in leaves_to_show(batch) if leaf.path != "batch"), "batch")
    parameters = list(inspect.signature(model.forward).parameters.values())
    if _is_named(batch):
        wanted = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        taken = [name for name in names if name in wanted]
        tensors = [name for name in names if isinstance(_part(batch, name), Tensor)]
        return _arguments(batch, taken or tensors[:1], named=bool(taken))
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return _arguments(batch, names[: max(1, len(positional))], named=False)


def _arguments(batch: Batch, names: list[Any], *, named: bool) -> str:
    """Return parts of a batch as the arguments of a call."""
    paths = [f"batch{step_to(batch, name)}" for name in names]
    if named and all(name.isidentifier() for name in names):
        paths = [f"{name}={path}" for name, path in zip(names, paths, strict=True)]
    return ", ".join(paths) or "batch"


def _is_named(batch: Batch) -> bool:
    return isinstance(batch, Mapping) or is_record(batch)


def _part(batch: Batch, name: Any) -> Any:
    return batch[name] if isinstance(batch, Mapping) else getattr(batch, name)
