"""How a script takes a batch apart, moves it and calls the model, for batches of any form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from hasten.data.batch import target_name, target_of
from hasten.data.tree import is_opaque, is_record, leaves_of, names_of, step_to
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import Copier
from hasten.pipeline.eject.expression import call
from hasten.training.counting import MASKS
from hasten.training.task import Task

Form = Literal["columns", "fields", "tree"]


@dataclass(frozen=True)
class Calling:
    """How a script takes a batch apart and calls the model.

    Args:
        unpack: statements before the call.
        output: expression of what the model returns.
        target: expression of the target; empty where the batch has none.
        size: expression of the number of samples.
        moved: expression of the batch on the device.
        form: "columns": a tuple or list of tensors; "fields": a dict of tensors; "tree": anything else.
        mask: how the mask of tokens is read from a batch; empty where it has none.
    """

    unpack: tuple[str, ...]
    output: str
    target: str
    size: str
    moved: str
    form: Form
    mask: str = ""


def calling_of(task: Task, batch: Any, copier: Copier) -> Calling:
    """Return how batches like this one are taken and the model is called.

    Args:
        task: whose model is called.
        batch: an example.
        copier: of the script.
    """
    name = target_name(batch)
    target = "" if name is None else f"batch{_step(batch, name)}"
    mask = next((f"batch{_step(batch, one)}" for one in MASKS if one in names_of(batch)), "")
    form, moved = _moved(batch, copier)
    unpack, output = _called(batch, name, target, whole=task.loss == "model")
    found = Calling(unpack, output, target, _size(batch), moved, form, mask.removeprefix("batch"))
    if task.predict is not None:
        unpack = (f"target = {target}",) if target else ()
        return replace(found, unpack=unpack, output=call(task.predict, "model, batch", copier))
    return found


def _step(batch: Any, name: Any) -> str:
    if isinstance(name, int):
        return "[-1]" if name == len(batch) - 1 else f"[{name}]"
    return step_to(batch, name).replace("'", '"')


def _moved(batch: Any, copier: Copier) -> tuple[Form, str]:
    """Return the form of a batch, and the expression that moves it."""
    if type(batch) in (tuple, list) and all(isinstance(one, Tensor) for one in batch):
        each = "column.to(DEVICE) for column in batch"
        return "columns", f"tuple({each})" if type(batch) is tuple else f"[{each}]"
    if type(batch) is dict and all(isinstance(one, Tensor) for one in batch.values()):
        return "fields", "{name: column.to(DEVICE) for name, column in batch.items()}"
    if callable(getattr(batch, "to", None)):
        return "tree", "batch.to(DEVICE)"
    copier.copy(plain.to_device)
    return "tree", "to_device(batch, DEVICE)"


def _called(batch: Any, name: Any, target: str, *, whole: bool) -> tuple[tuple[str, ...], str]:
    """Return the statements that take a batch apart, and the call of the model, as `arguments_of` defines it."""
    if isinstance(batch, tuple | list) and not is_opaque(batch):
        if whole or name is None:
            return (), "model(*batch)"
        if isinstance(name, int):
            return (f"{'inputs' if len(batch) == 2 else '*inputs'}, target = batch",), (
                "model(inputs)" if len(batch) == 2 else "model(*inputs)"
            )
        others = ", ".join(f"batch.{one}" for one in names_of(batch) if one != name)
        return (f"target = {target}",), f"model({others})"
    if isinstance(batch, Mapping) and all(isinstance(key, str) for key in batch):
        if whole or name is None:
            return (), "model(**batch)"
        rest = f'{{name: column for name, column in batch.items() if name != "{name}"}}'
        return (f"inputs, target = {rest}, {target}",), "model(**inputs)"
    unpack = (f"target = {target}",) if name is not None and not whole else ()
    if is_record(batch):
        given = [one for one in names_of(batch) if whole or one != name]
        return unpack, f"model({', '.join(f'{one}=batch.{one}' for one in given)})"
    return unpack, "model(batch)"


def _size(batch: Any) -> str:
    """Return the expression of the number of samples, as `hasten.data.batch.size_of` finds it."""
    if is_opaque(batch):
        return _size_of_opaque(batch, "batch")
    name = target_name(batch)
    target = None if name is None else target_of(batch)
    of_target = "" if name is None else f"len(batch{_step(batch, name)})"
    if isinstance(target, Tensor | np.ndarray) and target.ndim:
        return of_target
    listed = target if isinstance(target, list | tuple) and not is_opaque(target) else None
    if listed and not any(isinstance(one, Tensor) for one in listed):
        return of_target
    leaves = list(leaves_of(batch))
    tensors = [(path, leaf) for path, leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim]
    if listed and len({len(leaf) for _, leaf in tensors}) != 1:
        return of_target
    if tensors:
        return f"len(batch{tensors[0][0]})".replace("'", '"')
    inside = [(path, leaf) for path, leaf in leaves if is_opaque(leaf)]
    if inside:
        return _size_of_opaque(inside[0][1], f"batch{inside[0][0]}".replace("'", '"'))
    return "len(batch[0])" if isinstance(batch, tuple | list) else "len(batch)"


def _size_of_opaque(value: Any, text: str) -> str:
    for name in ("num_graphs", "batch_size"):
        if isinstance(getattr(value, name, None), int):
            return f"{text}.{name}"
    return f"int({text}.batch_sizes[0])" if hasattr(value, "batch_sizes") else f"len({text})"
