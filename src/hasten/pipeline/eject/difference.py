"""The change of a person's own script by a plan, as a unified diff."""

import ast
import difflib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import optim

from hasten.base.errors import BadInput, Refused
from hasten.pipeline.eject.copying import bound_by, free_names
from hasten.pipeline.eject.parts import Block, Parts

_IN_PLACE = ("settings", "model", "forward", "context", "setup", "gradient", "update")
"""Slots whose lines have a place in a loop of somebody else."""
_NAME = r"(?:self\.)?[A-Za-z_]\w*"


@dataclass(frozen=True)
class Loop:
    """The statements of a training loop, and the names that it gives to its objects.

    Args:
        lines: of the script.
        optimizer: statement that makes the optimizer.
        backward: statement of the backward pass.
        step: statement of the update.
        first: the statement in the block of these two that calls the model.
        repeated: the outermost `for` or `while` of the function that has the backward pass; None where it has none.
        made: names of the model and the optimizer where the optimizer is made.
        used: those where the backward pass is, which may be another function.
        is_one: whether both are in the same function.
    """

    lines: list[str]
    optimizer: Any
    backward: Any
    step: Any
    first: ast.stmt
    repeated: ast.stmt | None
    made: tuple[str, str]
    used: tuple[str, str]
    is_one: bool


def difference(path: Path, parts: Parts) -> tuple[str, list[str]]:
    """Return a unified diff that puts a plan into a script, and what it cannot put there.

    Raises:
        BadInput: if the file cannot be read or is not Python.
        Refused: if its training loop is not found; with the reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loop = _loop(text)
    except OSError as error:
        raise BadInput(f"{path} must be a readable Python file; found: {error.strerror}.") from error
    except UnicodeDecodeError as error:
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
        if why := _why_not(block, loop):
            rest.append(f"{block.name}: {why}")
            continue
        if source.options:
            options.append(block)
        comment = f"# {block.comment}"
        top += _definitions(block, parts)
        for slot, place, line, names in (
            ("settings", before, _first_line(text), loop.made),
            ("model", before, loop.optimizer.lineno, loop.made),
            ("setup", after, loop.optimizer.end_lineno, loop.made),
            ("gradient", before, loop.step.lineno, loop.used),
            ("update", after, loop.step.end_lineno, loop.used),
        ):  # fmt: skip
            if lines := getattr(source, slot):
                indent = _indent(loop.lines, line)
                new = [indent + one for one in (*([comment] if slot == block.place else []), *lines.split("\n"))]
                place.setdefault(line, []).extend(_named(new, names))
        if source.forward:
            forward = "forward"
            assert loop.repeated is not None, "otherwise the technique is left out"
            indent = _indent(loop.lines, loop.repeated.lineno)
            made = _named([indent + comment, f"{indent}forward = {source.forward}"], loop.used)
            before.setdefault(loop.repeated.lineno, []).extend(made)
        if source.context:
            contexts.append((comment, source.context.replace("DEVICE", f'"{parts.device}"')))
    result = _written(text, loop, before, after, top, forward, contexts, options)
    if unknown := _unbound(result) - _unbound(text):
        raise Refused(f"no diff for {path}: its lines would use {sorted(unknown)[0]}, which the script does not have")
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), result.splitlines(keepends=True), str(path), f"{path} with the plan"
    )  # fmt: skip
    return "".join(lines), rest


def _unbound(text: str) -> set[str]:
    """Return the global names that a script uses and binds nowhere."""
    tree = ast.parse(text)
    bound = set[str]().union(*(bound_by(one) for one in ast.walk(tree) if isinstance(one, ast.stmt)))
    return free_names(text)[0] - bound


def _why_not(block: Block, loop: Loop) -> str | None:
    """Return why a technique's lines have no place in another loop."""
    source = block.source
    if source.options:
        given = {one.arg for one in loop.optimizer.value.keywords}
        name = source.options.partition("=")[0]
        if name in given:
            return f"the optimizer of your script has {name} already"
        kind = ast.unparse(loop.optimizer.value.func).rpartition(".")[2]
        takes = name in inspect.signature(getattr(optim, kind)).parameters
        return None if takes else f"{kind} of your script takes no {name}"
    if source.context and "autocast" in source.context and "autocast" in "\n".join(loop.lines):
        return "your script uses autocast already"
    if source.forward and loop.repeated is None:
        return "the function with the backward pass is called for each step. Compile the model before the loop"
    if source.setup and not loop.is_one:
        return "it keeps a state from step to step, and your loop is in another function than the optimizer"
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
    assigned = [one for one in _statements(tree) if isinstance(one, ast.Assign) and _is_optimizer(one.value)]
    optimizer: Any = _one(assigned, "optimizers of torch.optim")
    kept = ast.unparse(optimizer.targets[0])
    if not re.fullmatch(_NAME, kept):
        raise Refused("the optimizer is not kept in a variable")
    named = [one.value for one in optimizer.value.keywords if one.arg == "params"]
    given = next(iter([*optimizer.value.args, *named]), None)
    parameters = ast.unparse(given) if given is not None else ""
    found = re.fullmatch(rf"({_NAME})\.parameters\(\)", parameters)
    if found is None:
        raise Refused(f"the optimizer is over {parameters or 'nothing'}, not over model.parameters()")
    made = found[1], kept
    back = _one([one for one in _statements(tree) if _calls(one, None, "backward")], "calls .backward()")
    function, maker = _function_of(tree, back), _function_of(tree, optimizer)
    model, name = used = made if function is maker or function is None else _passed_to(function, tree, made)
    step = _one([one for one in _statements(function or tree) if _calls(one, name, "step")], f"calls {name}.step()")
    body = next((one for one in _bodies(tree) if back in one), None)
    after = [one for one in body or () if one.lineno > back.lineno]
    if body is None or not any(step is one or (isinstance(one, ast.If) and step in one.body) for one in after):
        raise Refused("the backward pass and the optimizer's step are not in one block")
    first = next((one for one in body if _uses(one, model) and body.index(one) < body.index(back)), None)
    if first is None:
        raise Refused(f"{model}(...) is not called before the backward pass in its block")
    loops = [one for one in _statements(function or tree) if isinstance(one, ast.For | ast.While)]
    around = [one for one in loops if back in ast.walk(one) and _function_of(tree, one) is function]
    repeated = min(around, key=lambda one: one.lineno, default=None)
    return Loop(lines, optimizer, back, step, first, repeated, made, used, function is maker)


def _function_of(tree: ast.AST, statement: ast.stmt) -> ast.FunctionDef | None:
    """Return the innermost function that a statement is in."""
    around = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and statement in ast.walk(one)]
    return max((one for one in around if one is not statement), key=lambda one: one.lineno, default=None)


def _passed_to(function: ast.FunctionDef, tree: ast.AST, names: tuple[str, str]) -> tuple[str, str]:
    """Return the names that a function gives to variables of its caller; a global one keeps its name."""
    parameters = [one.arg for one in function.args.args]
    inside = {name: name for name in names if name not in parameters}  # global, or of the object
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function.name:
            given = [*zip(parameters, call.args, strict=False), *((one.arg, one.value) for one in call.keywords)]
            inside |= {value.id: one for one, value in given if isinstance(value, ast.Name) and one is not None}
    if not all(name in inside for name in names):
        raise Refused(f"{function.name}() is not called with {' and '.join(names)}")
    return inside[names[0]], inside[names[1]]


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
    return name is None or ast.unparse(called.value) == name


def _uses(statement: ast.stmt, model: str) -> bool:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(ast.unparse(one.func) == model for one in calls)


def _named(lines: list[str], given: tuple[str, str]) -> list[str]:
    """Return lines of a technique with the names of the person's script."""
    names: dict[str, str] = dict(zip(("model", "optimizer"), given, strict=True))
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
        end = max((one.end_lineno, one.end_col_offset) for one in (*call.args, *(one.value for one in call.keywords)))
        last = lines[end[0] - 1].encode()
        lines[end[0] - 1] = f"{last[: end[1]].decode()}, {block.source.options}{last[end[1] :].decode()}"
        before.setdefault(loop.optimizer.lineno, []).append(f"{_indent(lines, loop.optimizer.lineno)}# {block.comment}")
    place, end = loop.first.lineno, loop.backward.lineno - 1
    inside = lines[place - 1 : end]
    if forward:
        inside = [re.sub(rf"(?<![\w.]){re.escape(loop.used[0])}\(", f"{forward}(", line) for line in inside]
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
    place = _after_future(text)
    return "\n".join([*result[:place], *needed, *result[place:]])


def _after_future(text: str) -> int:
    """Return the number of lines of the docstring and the imports from `__future__`, which stay first."""
    last = 0
    for place, one in enumerate(ast.parse(text).body):
        is_text = place == 0 and isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
        if is_text or (isinstance(one, ast.ImportFrom) and one.module == "__future__"):
            last = one.end_lineno or last
    return last


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
