"""Tell a training script from a task file."""

import ast
from pathlib import Path


def is_script(name: str) -> bool:
    """Return whether this is a Python file that defines no `task`, so that it is run and not asked for one."""
    tree = parsed(Path(name))
    return tree is not None and not defines_task(tree)


def parsed(path: Path) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for anything else, also for a file that is not valid Python."""
    if path.suffix != ".py" or not path.is_file():
        return None
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None


def defines_task(tree: ast.Module) -> bool:
    """Return whether a file binds the name `task` at its top."""
    return any("task" in _names(node) for node in tree.body)


def _names(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()
