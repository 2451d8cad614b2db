"""The order of what a script copies, where statements change what later ones see."""

import ast
import sys
from collections.abc import Mapping, Sequence

from hasten.pipeline.eject.acting import is_of_hasten, is_persons
from hasten.pipeline.eject.copying import Copier, Import, module_of
from hasten.pipeline.eject.import_lines import import_lines, used


def rank_of(module: str, name: str, order: Mapping[tuple[str, int], int]) -> int:
    """Return the place of a piece: hasten's first, then as the task file runs, then what belongs to no statement."""
    if is_of_hasten(module):
        return -1
    place = int(name) if name.isdigit() else module_of(module).bound.get(name, -1)
    return order.get((module, place), len(order))


def needed_imports(copier: Copier, text: str) -> list[Import]:
    """Return the imports whose names a text has, and those that the task file makes for what they change."""
    found = used(copier.imports, text)
    modules = {one.module for one in found}
    return [*found, *(one for one in copier.forced if one.module not in modules)]


def split(imports: Sequence[Import], copier: Copier) -> tuple[list[Import], dict[int, str]]:
    """Return the imports that stand first, and the text of those that follow a statement of the task file."""
    late = dict[int, list[Import]]()
    for one in imports:
        place = _place_of(one, copier)
        if place is not None and place > copier.first:
            late.setdefault(place, []).append(one)
    first = [one for one in imports if not any(one in group for group in late.values())]
    return first, {place: import_lines(group) for place, group in late.items()}


def _place_of(one: Import, copier: Copier) -> int | None:
    """Return the place of the statement that imports a module; the last import for one that others of yours import."""
    root = one.module.partition(".")[0]
    found = copier.imported.get(one.module, copier.imported.get(root))
    if found is None and root in sys.modules and is_persons(root):
        return max(copier.imported.values(), default=None)
    return found


def between(copied: Sequence[str], places: Sequence[int], late: Mapping[int, str]) -> list[str]:
    """Return pieces of code with import statements at their places among them."""
    whole = [*zip(places, copied, strict=True), *late.items()]
    return [text for _, text in sorted(whole, key=lambda one: one[0])]


def computes(text: str) -> bool:
    """Return whether a definition computes values where it stands: in the body of a class, or as defaults."""
    parts = list[ast.AST | None]()
    for one in ast.parse(text).body:
        if isinstance(one, ast.ClassDef):
            parts += [inner for inner in one.body if not isinstance(inner, ast.FunctionDef | ast.ClassDef)]
        elif isinstance(one, ast.FunctionDef):
            parts += [*one.args.defaults, *one.args.kw_defaults]
        else:
            parts.append(one)
    return any(isinstance(node, ast.Call) for part in parts if part is not None for node in ast.walk(part))
