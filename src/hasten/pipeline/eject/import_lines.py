"""Import statements as text."""

import re
import sys
from collections.abc import Iterable, Sequence

from hasten.pipeline.eject.copying import Import


def used(imports: Iterable[Import], text: str) -> list[Import]:
    """Return the imports whose name a text has; of several that bind one name, the person's own."""
    found = [one for one in imports if re.search(rf"\b{re.escape(one.bound)}\b", text)]
    aliased = {one.bound for one in found if one.alias}
    return [one for one in found if one.alias or one.bound not in aliased]


def import_lines(imports: Sequence[Import]) -> str:
    """Return import statements, sorted as isort sorts them: Python's own, then packages, then modules beside it."""
    sections: list[list[str]] = [[], [], []]
    plain = sorted({(one.module, one.alias) for one in imports if not one.name})
    for module, alias in plain:
        sections[_section(module)].append(f"import {module}" + (f" as {alias}" if alias else ""))
    for module in sorted({one.module for one in imports if one.name}, key=str.lower):
        names = [one for one in imports if one.name and one.module == module]
        together = sorted((one.name for one in names if not one.alias), key=_member)
        statements = [f"from {module} import {one.name} as {one.alias}" for one in names if one.alias]
        statements += [f"from {module} import {', '.join(together)}"] if together else []
        sections[_section(module)] += sorted(statements)
    return "\n\n".join("\n".join(section) for section in sections if section)


def _section(module: str) -> int:
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names:
        return 0
    path = getattr(sys.modules.get(root), "__file__", None) or "site-packages"
    return 1 if "site-packages" in path else 2


def _member(name: str) -> tuple[int, str]:
    """Return the key that sorts constants before classes before functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name
