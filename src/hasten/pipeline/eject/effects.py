"""Statements that a task file runs for what they change: settings, seeds, paths, registrations."""

import ast
import re
import sys

from hasten.base.errors import Refused
from hasten.pipeline.eject.acting import OF_HASTEN, OUTSIDE, changes_of, inside, is_main, is_own, is_persons
from hasten.pipeline.eject.copying import (
    Copier,
    Module,
    bound_by,
    imported_modules,
    imports_of,
    is_copied,
    module_of,
    not_copied,
)
from hasten.pipeline.eject.origin import Origin, data_of
from hasten.pipeline.eject.random_numbers import draws_at_top

_COMMON = sys.stdlib_module_names | {"torch", "numpy", "hasten"}
"""Modules that are loaded before the task file is, or change nothing that a training depends on."""


def copy_effects(module: str, copier: Copier) -> None:
    """Copy the statements that change something outside of their module, and note the order in which all run.

    Args:
        module: of the task file; files of the person that it imports and that import hasten belong to it.
        copier: gets them, if there are any.

    Raises:
        Refused: if one cannot be copied; names the file and the line.
    """
    order = list[tuple[str, int]]()
    _run(module, set(), order)
    imported, kept, draws = dict[str, int](), list[tuple[Module, int]](), False
    for rank, (name, place) in enumerate(order):
        known = module_of(name)
        statement = known.statements[place]
        if place in known.changed.get(OUTSIDE, []):
            kept.append((known, place))
        if place in known.changed.get(OF_HASTEN, []):
            raise not_copied(known, statement, "it changes hasten, which the script does not use. Leave it out")
        if isinstance(statement, ast.If) and is_main(statement):
            _check_otherwise(known, statement)
        for one in imported_modules(statement, name):
            if one.partition(".")[0] in _COMMON or (one in sys.modules and is_copied(one)):
                continue
            imported.setdefault(one, rank)
            draws = draws or (is_own(one) and draws_at_top(one))
            if _is_for_effect(one, known, statement):
                copier.forced |= {had for had in imports_of(statement, name) if had.module == one}
    if kept or draws:
        copier.order = {statement: rank for rank, statement in enumerate(order)}
        copier.imported = imported
        copier.first = copier.order[kept[0][0].name, kept[0][1]] if not draws else -1
    for known, place in kept:
        copier.keep(known, place)


def check_callers(origin: Origin) -> None:
    """Refuse a statement that changes something in a function that leaves making the task to another one.

    Raises:
        Refused: names the file and the line.
    """
    try:
        made, _, _ = data_of(origin)
    except Refused:
        return
    known = module_of(origin.module)
    function = known.statements[known.bound[origin.function]]
    if (made.module, made.function) == (origin.module, origin.function) or not isinstance(function, ast.FunctionDef):
        return
    scope = inside(function, known.scope)
    for one in function.body[:-1]:
        if OUTSIDE in changes_of(one, scope):
            reason = f"{made.function}() makes the data, and the script has only its statements. Move it there"
            raise not_copied(known, one, reason)


def _run(module: str, seen: set[str], order: list[tuple[str, int]]) -> None:
    """Add the statements that importing a module runs, those of modules that are copied among them."""
    seen.add(module)
    for place, statement in enumerate(module_of(module).statements):
        for other in imported_modules(statement, module):
            if other not in seen and is_persons(other) and is_copied(other):
                _run(other, seen, order)
        order.append((module, place))


def _check_otherwise(known: Module, statement: ast.If) -> None:
    """Refuse `if __name__ == "__main__"` whose `else` does something: the script would not run that."""
    if any(not isinstance(one, ast.Pass) for one in statement.orelse):
        raise not_copied(
            known, statement.orelse[0], "it runs only where the file is not the script. Move it out of `else`"
        )


def _is_for_effect(module: str, known: Module, statement: ast.stmt) -> bool:
    """Return whether a module is imported for what its import changes: its names are not used, or it changes things."""
    bound = bound_by(statement)
    if is_own(module):
        return acts_at_top(module, set())
    rest = "\n".join(known.text(one) for one in known.statements if one is not statement)
    return not any(re.search(rf"\b{re.escape(name)}\b", rest) for name in bound)


def acts_at_top(module: str, seen: set[str]) -> bool:
    """Return whether importing a file of the person changes something outside of it."""
    seen.add(module)
    known = module_of(module)
    if known.changed.get(OUTSIDE):
        return True
    others = {one for statement in known.statements for one in imported_modules(statement, module)} - seen
    return any(acts_at_top(one, seen) for one in others if is_persons(one))
