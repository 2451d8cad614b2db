"""Tell a training script from a task file."""

import ast
from pathlib import Path

_MADE = ast.Call | ast.Name | ast.Lambda


def is_script(name: str) -> bool:
    """Return whether this is a Python file that defines no `task`, so that it is run and not asked for one."""
    tree = parsed(Path(name))
    return tree is not None and not defines_task(tree)


def called(script: Path, *, module: bool) -> list[str]:
    """Return what `python`, or a command of hasten, is called with to run a file or a module."""
    return ["-m", str(script)] if module else [str(script)]


def parsed(path: Path) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for anything else, also for a file that is not valid Python."""
    if path.suffix != ".py" or not path.is_file():
        return None
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None


def defines_task(tree: ast.Module) -> bool:
    """Return whether a file binds the name `task` at its top to what may be a task.

    A function, a class or an import may be one. A value may where it is made by a call or is another name; in a file
    that trains by itself, only where hasten is imported: `task = Task.init()` is also what a logger is called.
    """
    values = "hasten" in _imported(tree) or not trains(tree)
    return any("task" in _names(node, values=values) for node in tree.body)


def trains(tree: ast.Module) -> bool:
    """Return whether a script calls `backward()`, or the `fit` or `train` of something."""
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    trainers = {"torch", "lightning", "pytorch_lightning", "transformers", "accelerate", "fastai"}
    return bool(_imported(tree) & trainers) and bool(
        called & {"backward", "fit", "train", "fit_one_cycle", "fine_tune"}
    )


def _imported(tree: ast.Module) -> set[str]:
    """Return the names of the packages that a file imports."""
    return {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }


def _names(node: ast.stmt, *, values: bool) -> set[str]:
    """Return the names that a statement defines; of assignments only where `values` are asked for."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if values and isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _MADE):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()
