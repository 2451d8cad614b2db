"""Where the samples come from: the lines of a task that load them, or a file of the samples as hasten prepared them."""

import ast
import inspect
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from hasten.base.errors import Refused
from hasten.base.units import nbytes
from hasten.data.batch_text import kind_of
from hasten.data.loading.gather import why_not
from hasten.data.loading.given import is_by_number
from hasten.data.loading.sample_randomness import drawn_from
from hasten.data.tree import leaves_of
from hasten.pipeline.eject.acting import OUTSIDE, changes_of, inside, is_of_hasten
from hasten.pipeline.eject.copying import Copier, Import, Module, bound_by, indented, module_of
from hasten.pipeline.eject.expression import expression
from hasten.pipeline.eject.origin import Origin, data_of, is_data, keyword_of, names_in, origin_of
from hasten.pipeline.eject.random_numbers import makes_a_value, may_draw
from hasten.training.task import Task

MOST_LINES = 160
"""Lines of definitions above which the prepared samples are saved instead: the script is to be read."""
_WIDTH = 112  # characters of a line inside a function
MOST_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Samples:
    """How a script gets its data.

    Args:
        definition: the function `load`, which returns the training and the validation data.
        copier: with what the function needs.
        constants: lines at the top.
        note: what a reader must know; empty where the script loads the data itself.
        saved: whether the samples are read from a file that is written beside the script.
        module: of the function that makes the task, whose definitions stay in their order.
        top: statements before `load`, which make what other functions of the script use, too.
    """

    definition: str
    copier: Copier
    constants: tuple[str, ...] = ()
    note: str = ""
    saved: bool = False
    module: str = ""
    top: str = ""


def samples_of(task: Task, rest: Copier) -> Samples:
    """Return how a script gets the samples of a task.

    Args:
        task: whose data they are.
        rest: what the rest of the script needs, variables of the function that makes the task among it.

    Raises:
        Refused: if it neither can load them nor read them from a file; with both reasons.
    """
    origin, data = origin_of(task), task.data
    plain = is_by_number(data.train) and is_by_number(data.valid)
    try:
        if origin is None:
            raise Refused("it is not known which function made the task")
        return _loaded(origin, rest, annotated="tuple[Dataset[Any], Dataset[Any]]" if plain else "tuple[Any, Any]")
    except Refused as error:
        if rest.shared:
            raise
        own = origin is not None and is_of_hasten(origin.module)
        saved = saved_samples(task, "reading them takes more code than a script should have" if own else str(error))
        if not rest.order:
            return saved
        seeds = _seeds("\n".join(rest.pieces[one] for one in rest.acting), saved.copier)
        return replace(saved, constants=(*saved.constants, *seeds))


def _loaded(origin: Origin, rest: Copier, annotated: str) -> Samples:
    """Return the statements of a task's function that make its data, as a function of their own.

    Args:
        origin: the function.
        rest: what the rest of the script needs.
        annotated: the type of what the new one returns.
    """
    origin, function, data = data_of(origin)
    known, shared = module_of(origin.module), rest.shared
    body, result, made = _returned(function, data, known)
    own = not is_of_hasten(origin.module)
    scope = inside(function, known.scope)
    acting = [one for one in body if own and OUTSIDE in changes_of(one, scope)]
    kept = _slice(body, set[str]().union(shared, *map(names_in, made)), acting)
    used = {name for one in (*kept, *made) for name in names_in(one)}
    parameters, constants = _parameters(function, used, origin, known)
    header = f"def load({', '.join(parameters) if not shared else ''}) -> {annotated}:"
    at_top = [one for one in known.statements if own and makes_a_value(one) and may_draw(known.text(one), known)]
    drawn = own and any(may_draw(known.text(one), known) for one in (*kept, *made))
    if drawn:
        kept = _with_what_draws(body, kept, known, acting)
    text = "\n".join(known.text(one) + "\n" * isinstance(one, ast.Import | ast.ImportFrom) for one in kept)
    copier, top = Copier(), ""
    if shared:
        top = copier.needs_of("\n".join([*parameters, text]), origin.module)
        text = ""
    copier.imports.update({Import("typing", "Any"), Import("torch.utils.data", "Dataset")})
    lines = [header, '    """Return the training and the validation data."""']
    inner = list(filter(None, [text, result]))
    inner = copier.needs_of("\n".join([*lines, *indented(inner)]), origin.module).split("\n")[len(lines) :]
    if copier.lines_of_hasten > MOST_LINES:
        raise Refused(f"loading them takes {copier.lines_of_hasten} lines of hasten's code")
    if constants:
        copier.imports.add(Import("pathlib", "Path"))
    used = {name for _, name in (*copier.pieces, *rest.pieces)}
    if not drawn and not rest.order and not any(bound_by(one) & used for one in at_top):
        at_top = []
    for one in at_top:
        for name in bound_by(one):
            copier.need(origin.module, name)
    first = [rest.pieces[one] for one in rest.acting]
    seeds = (
        _seeds("\n".join([top, *inner, *copier.pieces.values(), *first]), copier)
        if at_top or drawn or rest.order
        else ()
    )
    is_first = bool(at_top or rest.order)
    if shared:
        top, seeds = "\n".join([*(seeds if not is_first else ()), top]), seeds if is_first else ()
    if is_first:
        constants, seeds = (*constants, *seeds), ()
    return Samples("\n".join([*lines, *indented(seeds), *inner]), copier, constants, module=origin.module, top=top)


def _with_what_draws(
    statements: list[ast.stmt], kept: list[ast.stmt], known: Module, acting: list[ast.stmt]
) -> list[ast.stmt]:
    """Return the kept statements with all before them that draw random numbers, and so move the generator."""
    last = max((place for place, one in enumerate(statements) if one in kept), default=-1)
    drawing = [one for one in statements[: last + 1] if makes_a_value(one) and may_draw(known.text(one), known)]
    needed = set[str]().union(*map(names_in, [*kept, *drawing]), *map(_stored, [*kept, *drawing]))
    return _slice(statements[: last + 1], needed, acting)


def _seeds(text: str, copier: Copier) -> tuple[str, ...]:
    """Return the statements that seed the generators that making the data draws from."""
    copier.imports.add(Import("torch"))
    lines = ["torch.manual_seed(0)  # as when hasten loads the task"]
    if re.search(r"\b(np|numpy)\.random\b", text):
        copier.imports.add(Import("numpy", alias="np"))
        lines.append("np.random.seed(0)")
    if re.search(r"(?<!\.)\brandom\.\w", text):
        copier.imports.add(Import("random"))
        lines.append("random.seed(0)")
    return tuple(lines)


def saved_samples(task: Task, reason: str) -> Samples:
    """Return a function that reads the samples of a task from a file.

    Raises:
        Refused: if the samples are no plain values, or too many, or come as batches.
    """
    copier, parts = Copier(), list[str]()
    for name in ("train", "valid"):
        given = getattr(task.data, name)
        if given is None:
            parts.append("None")
            continue
        dataset = given.dataset if isinstance(given, DataLoader) else given
        made = f'saved["{name}"]'
        if _save(dataset, task.data.collate, reason):
            copier.imports.add(Import("torch.utils.data", "TensorDataset"))
            made = f"TensorDataset(*{made})"
        parts.append(_loader(given, made, copier, reason) if isinstance(given, DataLoader) else made)
    lines = [
        "def load() -> tuple[Any, Any]:",
        '    """Return the training and the validation data, prepared by hasten and saved beside this file."""',
        "    saved = torch.load(DATA, weights_only=True)",
        *indented([_on_lines(*parts)]),
    ]
    copier.imports.update({Import("torch"), Import("pathlib", "Path")})
    note = f"The samples are read from a file, as hasten prepared them: {reason}."
    return Samples("\n".join(lines), copier, ('DATA = Path(__file__).with_suffix(".data.pt")',), note, saved=True)


def _save(dataset: Any, collate: Any, reason: str) -> bool:
    """Return whether the samples of a data set are saved as columns, and not one by one.

    Raises:
        Refused: if they cannot be saved; with the reason, and that they cannot be loaded.
    """
    refused = f"the data cannot be ejected: {reason}; and {{}}"
    if not is_by_number(dataset):
        raise Refused(refused.format(f"a {type(dataset).__name__} has no samples by number to save"))
    if drawn_from(dataset, collate or default_collate):
        raise Refused(refused.format("samples that draw random numbers cannot be saved"))
    first, size = dataset[0], len(dataset)
    if not _is_plain(first):
        raise Refused(refused.format(f"a sample is no tensors and plain values to save, but {kind_of(first)}"))
    total = size * sum(one.nbytes for _, one in leaves_of(first) if isinstance(one, Tensor))
    if total > MOST_BYTES:
        raise Refused(refused.format(f"{nbytes(total)} of samples are too many to save"))
    return collate is None and isinstance(first, tuple) and all(isinstance(one, Tensor | int) for one in first)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return type(value) in (Tensor, int, float, bool, str, type(None))


def _loader(loader: DataLoader[Any], made: str, copier: Copier, reason: str) -> str:
    """Return the expression of a person's own loader over samples that are saved."""
    plain, given = DataLoader(loader.dataset), [made]
    sampler, own = loader.sampler, loader.batch_sampler
    try:
        if type(own) is not BatchSampler:
            given.append(f"batch_sampler={expression(own, copier)}" if own is not None else "batch_size=None")
        else:
            given.append(str(loader.batch_size))
            if type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None:
                given.append("shuffle=True")
            elif type(sampler) is not SequentialSampler:
                given.append(f"sampler={expression(sampler, copier)}")
            given += ["drop_last=True"] if loader.drop_last else []
        for name in ("num_workers", "collate_fn", "worker_init_fn", "generator", "persistent_workers"):
            value = getattr(loader, name)
            if value != getattr(plain, name):
                given.append(f"{name}={expression(value, copier)}")
    except Refused as error:
        raise Refused(
            f"the data cannot be ejected: {reason}; and your DataLoader is not written out: {error}"
        ) from error
    copier.imports.add(Import("torch.utils.data", "DataLoader"))
    return f"DataLoader({', '.join(given)})"


def write_samples(task: Task, path: Path) -> None:
    """Write the prepared samples of a task for `saved_samples`."""
    data = task.data
    torch.save({name: _stored_samples(getattr(data, name), data.collate) for name in ("train", "valid")}, path)


def _stored_samples(given: Any, collate: Any) -> Any:
    """Return the samples as columns, or one by one where they are no tuples of tensors."""
    dataset: Any = getattr(given, "dataset", given) if isinstance(given, DataLoader) else given
    if dataset is None:
        return None
    if isinstance(dataset, TensorDataset) and why_not(dataset) is None:
        return dataset.tensors
    samples: Any = [dataset[i] for i in range(len(dataset))]  # type: ignore[reportArgumentType]
    return tuple(default_collate(samples)) if _save(dataset, collate, "") else samples


def _returned(function: Any, data: ast.expr, known: Module) -> tuple[list[ast.stmt], str, list[ast.expr]]:
    """Return the statements before the data of a task are made, the `return` of both, and what that uses."""
    body = function.body[:-1] if isinstance(function, ast.FunctionDef) else []
    if isinstance(data, ast.Call) and is_data(data):
        train, valid = keyword_of(data, "train"), keyword_of(data, "valid")
        if train is None:
            raise Refused(
                f"{getattr(function, 'name', 'the function')}() does not pass data=Data(train=..., valid=...)"
            )
        made = [train] if valid is None else [train, valid]
        return body, _on_lines(known.text(train), known.text(valid) if valid is not None else "None"), made
    if isinstance(data, ast.Name):
        return body, f"return {data.id}.train, {data.id}.valid", [data]
    return body, f"data = {known.text(data)}\nreturn data.train, data.valid", [data]


def _on_lines(train: str, valid: str) -> str:
    """Return the statement that returns both, on one line where it fits."""
    line = f"return {train}, {valid}"
    return line if len(line) <= _WIDTH and "\n" not in line else f"return (\n    {train},\n    {valid},\n)"


def _slice(statements: list[ast.stmt], needed: set[str], acting: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that the values of some names depend on, and those that change something else."""
    kept: list[ast.stmt] = []
    for one in reversed(statements):
        if isinstance(one, ast.If) and all(isinstance(inner, ast.Raise) for inner in one.body) and not one.orelse:
            continue  # a check of the input
        used = isinstance(one, ast.Expr) and not _is_text(one) and bool(names_in(one) & needed)
        if used or _stored(one) & needed or one in acting:
            kept.append(one)
            needed = needed | names_in(one)
    return kept[::-1]


def _is_text(statement: ast.Expr) -> bool:
    return isinstance(statement.value, ast.Constant)


def _stored(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds, or whose parts it sets."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name.partition(".")[0] for one in node.names}
        if isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
                node = node.value
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def _parameters(function: Any, used: set[str], origin: Origin, known: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parameters of the function that loads, with their values, and constants for its arguments."""
    plain = inspect.signature(getattr(sys.modules[origin.module], origin.function)).parameters
    parameters = [one for one in (*function.args.args, *function.args.kwonlyargs) if one.arg in used]
    shown, constants = list[str](), list[str]()
    for one in parameters:
        annotation = f": {known.text(one.annotation)}" if one.annotation is not None else ""
        if (text := origin.texts.get(one.arg)) is not None:
            if not text:
                raise Refused(f"the data depend on {one.arg} of {origin.function}(), which a variable is passed as")
            shown.append(f"{one.arg}{annotation} = {text}" if annotation else f"{one.arg}={text}")
        elif one.arg in origin.arguments:
            name = one.arg.upper()
            constants.append(
                f"{name} = Path({json.dumps(str(origin.arguments[one.arg].absolute()), ensure_ascii=False)})"
            )
            shown.append(f"{one.arg}{annotation or ': Path'} = {name}")
        else:
            default = plain[one.arg].default
            text = _default_text(function, one.arg, known)
            if default is inspect.Parameter.empty or text is None:
                raise Refused(f"the parameter {one.arg} of {origin.function}() has no default")
            shown.append(f"{one.arg}{annotation} = {text}" if annotation else f"{one.arg}={text}")
    return tuple(shown), tuple(constants)


def _default_text(function: Any, name: str, known: Any) -> str | None:
    arguments = function.args
    positional = dict(zip([one.arg for one in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    keyword = dict(zip([one.arg for one in arguments.kwonlyargs], arguments.kw_defaults, strict=True))
    default = {**positional, **keyword}.get(name)
    return None if default is None else known.text(default)
