"""A remedy as a change of a person's script, where one place for it is clear."""

import ast
from difflib import unified_diff

from hasten.diagnosis.remedies.remedy import Remedy


def placed(source: str, remedy: Remedy, *, file: str) -> str:
    """Return the unified diff that makes a remedy in a script; "" where its place is not clear.

    Args:
        source: of the script.
        remedy: to make.
        file: name in the diff.
    """
    lines = source.splitlines(keepends=True)
    changed = _changed(lines, ast.parse(source), remedy)
    return "" if changed is None else "".join(unified_diff(lines, changed, file, file, n=2))


def _changed(lines: list[str], tree: ast.Module, remedy: Remedy) -> list[str] | None:
    if remedy.factor is not None:
        return _with_rate(lines, tree, remedy.factor)
    if remedy.name == "clipping":
        return _before_step(lines, tree, "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)")
    if remedy.name == "cleared":
        return _after_step(lines, tree)
    return None


def _with_rate(lines: list[str], tree: ast.Module, factor: float) -> list[str] | None:
    """Change the only number given as `lr=`."""
    calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call)]
    rates = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "lr"]
    rate = rates[0] if len(rates) == 1 else None
    if not isinstance(rate, ast.Constant) or not isinstance(rate.value, int | float):
        return None
    line = rate.lineno - 1
    text = lines[line].encode()
    new = text[: rate.col_offset] + f"{rate.value * factor:g}".encode() + text[rate.end_col_offset :]
    return [*lines[:line], new.decode(), *lines[line + 1 :]]


def _before_step(lines: list[str], tree: ast.Module, statement: str) -> list[str] | None:
    step, model = _only(tree, "step"), _only_name(tree, "parameters")
    if step is None or model is None:
        return None
    indent = lines[step.lineno - 1][: step.col_offset]
    return [*lines[: step.lineno - 1], f"{indent}{statement.replace('model', model)}\n", *lines[step.lineno - 1 :]]


def _after_step(lines: list[str], tree: ast.Module) -> list[str] | None:
    step = _only(tree, "step")
    if step is None or not isinstance(step.value, ast.Call) or not isinstance(step.value.func, ast.Attribute):
        return None
    owner, indent = ast.unparse(step.value.func.value), lines[step.lineno - 1][: step.col_offset]
    end = step.end_lineno or step.lineno
    return [*lines[:end], f"{indent}{owner}.zero_grad()\n", *lines[end:]]


def _only(tree: ast.Module, method: str) -> ast.Expr | None:
    """Return the only statement that is a call of a method without arguments; optimizers step so."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == method
        and "sched" not in ast.unparse(node.value.func.value).lower()
    ]
    return found[0] if len(found) == 1 else None


def _only_name(tree: ast.Module, method: str) -> str | None:
    """Return the only name that a method is called of: the model, of `model.parameters()`."""
    names = {
        ast.unparse(node.func.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    }
    return names.pop() if len(names) == 1 else None
