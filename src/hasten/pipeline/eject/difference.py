"""The change of a person's own script by a plan, as a unified diff."""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import optim

from hasten.base.errors import BadInput, Refused
from hasten.pipeline.eject.parts import Block, Parts

_IN_PLACE = ("settings", "model", "forward", "context", "setup", "gradient", "update")
"""Slots whose lines have a place in a loop of somebody else."""


@dataclass(frozen=True)
class Loop:
    """The statements of a training loop, and the names that it gives to its objects."""

    lines: list[str]
    optimizer: Any
    backward: Any
    step: Any
    body: list[ast.stmt]
    first: ast.stmt
    model_name: str
    optimizer_name: str


def difference(path: Path, parts: Parts) -> tuple[str, list[str]]:
    """Return a unified diff that puts a plan into a script, and what it cannot put there.

    Raises:
        BadInput: if the file cannot be read or is not Python.
        Refused: if its training loop is not found; with the reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loop = _loop(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} must be a readable Python file; found: {error}.") from error
    except SyntaxError as error:
        raise BadInput(f"{path}:{error.lineno}: the script must be valid Python; found {error.msg}.") from error
    except Refused as error:
        raise Refused(f"no diff for {path}: {error}. Use the whole script: pass -o FILE.") from error
    rest: list[str] = []
    before, after = dict[int, list[str]](), dict[int, list[str]]()  # line number -> new lines
    forward, contexts, top = "", list[tuple[str, str]](), list[str]()
    options: list[Block] = []
    for block in parts.blocks:
        source = block.source
        if source.options:
            options.append(block)
        elif why := _why_not(block):
            rest.append(f"{block.name}: {why}")
            continue
        comment = f"# {block.comment}"
        top += _definitions(block, parts)
        for slot, place, line in (
            ("settings", before, _first_line(text)),
            ("model", before, loop.optimizer.lineno),
            ("setup", after, loop.optimizer.end_lineno),
            ("gradient", after, loop.backward.end_lineno),
            ("update", after, loop.step.end_lineno),
        ):  # fmt: skip
            if lines := getattr(source, slot):
                indent = _indent(loop.lines, line)
                new = [indent + one for one in (*([comment] if slot == block.place else []), *lines.split("\n"))]
                place.setdefault(line, []).extend(_named(new, loop))
        if source.forward:
            forward = "forward"
            indent = _indent(loop.lines, loop.optimizer.lineno)
            made = _named([indent + comment, f"{indent}forward = {source.forward}"], loop)
            after.setdefault(loop.optimizer.end_lineno, []).extend(made)
        if source.context:
            contexts.append((comment, source.context.replace("DEVICE", f'"{parts.device}"')))
    result = _written(text, loop, before, after, top, forward, contexts, options)
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), result.splitlines(keepends=True), str(path), f"{path} with the plan"
    )  # fmt: skip
    return "".join(lines), rest


def _why_not(block: Block) -> str | None:
    """Return why a technique's lines have no place in another loop."""
    source = block.source
    if source.at is not None:
        return f"it changes the {source.at}"
    other = [slot for slot in ("order", "fetch", "batches", "prepare", "curriculum", "skip", "evaluation", "undo")
             if getattr(source, slot)]  # fmt: skip
    if other:
        return f"it changes {', '.join(other)} of the loop"
    if re.search(
        r"\b(parameters(?!\()|STEPS|progress|train_data)\b", "".join(getattr(source, one) for one in _IN_PLACE)
    ):
        return "it uses names that only the whole script has"
    return None


def _definitions(block: Block, parts: Parts) -> list[str]:
    """Return what a technique's lines need at the top of the script."""
    source = block.source
    copied = {getattr(one, "__qualname__", "") for one in source.copies}
    pieces = [text for (_, name), text in parts.copier.pieces.items() if name in copied]
    return [*source.imports, *pieces, *([source.definitions] if source.definitions else [])]


def _loop(text: str) -> Loop:
    """Return the training loop of a script.

    Raises:
        Refused: if it is not the simple kind: one optimizer of torch's, one backward pass, one step.
    """
    tree = ast.parse(text)
    lines = text.split("\n")
    made = [one for one in _statements(tree) if isinstance(one, ast.Assign) and _is_optimizer(one.value)]
    optimizer: Any = _one(made, "optimizers of torch.optim")
    if not isinstance(optimizer.targets[0], ast.Name):
        raise Refused("the optimizer is not kept in a variable")
    name = optimizer.targets[0].id
    steps = [one for one in _statements(tree) if _calls(one, name, "step")]
    backward = [one for one in _statements(tree) if _calls(one, None, "backward")]
    step, back = _one(steps, f"calls {name}.step()"), _one(backward, "calls .backward()")
    body = next((one for one in _bodies(tree) if back in one), None)
    if body is None or step not in body:
        raise Refused("the backward pass and the optimizer's step are not in one block")
    given = optimizer.value.args[0] if optimizer.value.args else None
    parameters = ast.unparse(given) if given is not None else ""
    found = re.fullmatch(r"([A-Za-z_]\w*)\.parameters\(\)", parameters)
    if found is None:
        raise Refused(f"the optimizer is over {parameters or 'nothing'}, not over model.parameters()")
    model = found[1]
    first = next((one for one in body if _uses(one, model) and body.index(one) < body.index(back)), None)
    if first is None:
        raise Refused(f"{model}(...) is not called before the backward pass in its block")
    return Loop(lines, optimizer, back, step, body, first, model, name)


def _one(found: list[Any], what: str) -> Any:
    if len(found) != 1:
        places = ", ".join(f"line {one.lineno}" for one in found) or "none"
        raise Refused(f"it must have one of these: {what}; found {places}")
    return found[0]


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.stmt))


def _bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, field, None), list):
                yield body


def _is_optimizer(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    name = ast.unparse(value.func).rpartition(".")[2]
    return isinstance(getattr(optim, name, None), type) and issubclass(getattr(optim, name), optim.Optimizer)


def _calls(statement: ast.stmt, name: str | None, method: str) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    if not isinstance(called, ast.Attribute) or called.attr != method:
        return False
    return name is None or (isinstance(called.value, ast.Name) and called.value.id == name)


def _uses(statement: ast.stmt, model: str) -> bool:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(isinstance(one.func, ast.Name) and one.func.id == model for one in calls)


def _named(lines: list[str], loop: Loop) -> list[str]:
    """Return lines of a technique with the names of the person's script."""
    names = {"model": loop.model_name, "optimizer": loop.optimizer_name}
    return [re.sub(r"\b(model|optimizer)\b(?!\w*=)", lambda found: names[found[0]], line)
            if not line.lstrip().startswith("#") else line for line in lines]  # fmt: skip


def _first_line(text: str) -> int:
    """Return the line of the first statement that is neither the docstring nor an import."""
    for one in ast.parse(text).body:
        is_text = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
        if not is_text and not isinstance(one, ast.Import | ast.ImportFrom):
            return min([one.lineno, *(each.lineno for each in getattr(one, "decorator_list", []))])
    return len(text.split("\n"))


def _written(
    text: str,
    loop: Loop,
    before: dict[int, list[str]],
    after: dict[int, list[str]],
    top: list[str],
    forward: str,
    contexts: list[tuple[str, str]],
    options: list[Block],
) -> str:
    """Return the script with the new lines."""
    lines = list(loop.lines)
    for block in options:
        call = loop.optimizer.value
        last = lines[call.end_lineno - 1]
        lines[call.end_lineno - 1] = (
            f"{last[: call.end_col_offset - 1]}, {block.source.options}{last[call.end_col_offset - 1 :]}"
        )
        before.setdefault(loop.optimizer.lineno, []).append(f"{_indent(lines, loop.optimizer.lineno)}# {block.comment}")
    place, end = loop.first.lineno, loop.backward.lineno - 1
    inside = lines[place - 1 : end]
    if forward:
        inside = [re.sub(rf"\b{loop.model_name}\(", f"{forward}(", line) for line in inside]
    indent = _indent(loop.lines, place)
    for comment, context in reversed(contexts):
        inside = [indent + comment, f"{indent}with {context}:", *("    " + line if line else "" for line in inside)]
    marked: list[str | list[str]] = [*lines]
    marked[place - 1 : end] = [inside, *([[]] * (end - place))]
    result: list[str] = []
    first = _first_line(text)
    for number, line in enumerate(marked, start=1):
        if number == first and top:
            result += [*"\n\n".join(top).split("\n"), ""]
        result += before.get(number, [])
        result += [line] if isinstance(line, str) else line
        result += after.get(number, [])
    needed = [one for one in ("import torch", "from torch import nn") if _lacks(one, "\n".join(result))]
    return "\n".join([*needed, *result])


def _indent(lines: list[str], number: int) -> str:
    line = lines[number - 1]
    return line[: len(line) - len(line.lstrip())]


def _lacks(statement: str, text: str) -> bool:
    name = statement.rpartition(" ")[2]
    return bool(re.search(rf"\b{name}\.", text)) and not re.search(
        rf"^(import {name}\b|from torch import .*\b{name}\b|import torch as {name}\b|import torch\.nn as {name}\b)",
        text,
        re.MULTILINE,
    )
