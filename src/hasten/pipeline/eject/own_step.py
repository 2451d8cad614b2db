"""A step that the task makes itself (`Task.step`) as lines of a script: what it uses of the session, and its call."""

import ast
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import optim

from hasten.base.errors import Refused
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.acting import is_own
from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, node_of
from hasten.training.several_optimizers import SeveralOptimizers

_WIDTH = 112  # characters of a line inside a function


@dataclass(frozen=True)
class OwnStep:
    """The lines of a step.

    Args:
        call: the call of the step, of `session` and `batch`.
        session: statement that binds `session`, with only what the step uses of it.
        moved: statements after each step, where the session tells how far the training is.
    """

    call: str
    session: str
    moved: tuple[str, ...] = ()


def own_step_of(
    step: Callable[..., Any], made: optim.Optimizer, copier: Copier, *, total: int | None, per_epoch: int | None
) -> OwnStep:
    """Return the lines of a task's own step.

    Args:
        step: the function (session, batch) -> losses.
        made: an example of the optimizer.
        copier: of the script.
        total: steps of the run; None if only time ends it.
        per_epoch: steps of an epoch; None where only reading the data tells.

    Raises:
        Refused: if the step has no source text, or uses of the session what a script does not have.
    """
    used = set(_used(step))
    if "progress" in used:
        if total is None:
            raise Refused("Task.step uses session.progress(), and the length of the training is not known")
        used.add("position.step")
    if "position.epoch" in used and per_epoch is None:
        raise Refused("Task.step uses session.position.epoch, and only reading the data tells where an epoch ends")
    written = call(step, "session, batch", copier)
    if (plain.__name__, "Loss") in copier.pieces:
        written += ".mean"
    members = "optimizer.members" if isinstance(made, SeveralOptimizers) else '{"optimizer": optimizer}'
    values = {
        "model": "model",
        "optimizer": "optimizer",
        "optimizers": members,
        "seed": "SEED",
        "named_parameters": "{name: one for name, one in model.named_parameters() if one.requires_grad}",
        "parameters": "[one for one in model.parameters() if one.requires_grad]",
        "progress": "lambda: session.position.step / STEPS",
    }
    after = {"position.step": "step", "position.epoch": f"step // {per_epoch}"}
    if missing := sorted(used - values.keys() - after.keys()):
        raise Refused(f"Task.step uses session.{missing[0]}, which a script does not have")
    copier.imports.add(Import("types", "SimpleNamespace"))
    given = [f"{name}={values[name]}" for name in values if name in used]
    places = [name for name in after if name in used]
    if places:
        numbers = ", ".join(f"{name.partition('.')[2]}=0" for name in places)
        given.append(f"position=SimpleNamespace({numbers})")
    moved = tuple(f"session.{name} = {after[name]}" for name in places)
    return OwnStep(written, _on_lines("session = SimpleNamespace", given), moved)


def _on_lines(head: str, arguments: list[str]) -> str:
    line = f"{head}({', '.join(arguments)})"
    return line if len(line) <= _WIDTH else "\n".join([f"{head}(", *(f"    {one}," for one in arguments), ")"])


def _used(function: Any, place: int = 0, owner: type | None = None) -> Iterator[str]:
    """Yield the attributes that a function, and those that it passes it on to, use of its argument at a place.

    Raises:
        Refused: if the argument is passed on to where it cannot be followed.
    """
    while isinstance(function, functools.partial):
        place, function = place + len(function.args), function.func
    if isinstance(function, types.MethodType):
        place, function, owner = place + 1, function.__func__, type(function.__self__)
    elif not isinstance(function, types.FunctionType | type) and is_own(type(function).__module__):
        place, function, owner = place + 1, type(function).__call__, type(function)
    if not isinstance(function, types.FunctionType):
        raise Refused(f"Task.step passes the session on to {getattr(function, '__name__', function)}")
    node, _, _ = node_of(function)
    names = [*inspect.signature(function).parameters]
    if place >= len(names):
        raise Refused(f"Task.step passes the session on to {function.__name__} as one of several arguments")
    above = {id(child): parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}
    for one in ast.walk(node):
        if not isinstance(one, ast.Name) or one.id != names[place]:
            continue
        parent = above[id(one)]
        if isinstance(parent, ast.Attribute):
            outer = above.get(id(parent))
            inner = parent.attr == "position" and isinstance(outer, ast.Attribute)
            yield f"{parent.attr}.{outer.attr}" if inner and isinstance(outer, ast.Attribute) else parent.attr
        elif isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and one in parent.args:
            yield from _used(_variable(function, parent.func.id), parent.args.index(one))
        elif (method := _own_method(parent, names, owner)) is not None and one in parent.args:  # type: ignore[attr-defined]
            yield from _used(method, parent.args.index(one) + 1, owner)  # type: ignore[attr-defined]
        else:
            raise Refused("Task.step does something else with the session than to use its attributes")


def _own_method(parent: ast.AST, names: list[str], owner: type | None) -> Any:
    """Return the function of a call `self.name(...)` inside a method; None for every other node."""
    called = parent.func if isinstance(parent, ast.Call) else None
    if owner is None or not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return None
    return getattr(owner, called.attr, None) if called.value.id == names[0] else None


def _variable(function: types.FunctionType, name: str) -> Any:
    closure = inspect.getclosurevars(function)
    found = {**closure.builtins, **closure.globals, **closure.nonlocals}
    if name not in found:
        raise Refused(f"Task.step passes the session on to {name}")
    return found[name]
