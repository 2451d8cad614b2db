"""Writes one plain PyTorch script, in the order of the stages."""

import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from hasten.base.errors import Refused
from hasten.pipeline.eject.batch_lines import batch_functions
from hasten.pipeline.eject.copying import (
    CALLED,
    Import,
    bound_names,
    called_under_its_own_name,
    calls_renamed,
    free_names,
    module_of,
    renamed,
)
from hasten.pipeline.eject.import_lines import import_lines
from hasten.pipeline.eject.in_order import between, computes, needed_imports, rank_of, split
from hasten.pipeline.eject.judging import evaluate, loss_of
from hasten.pipeline.eject.parts import Parts
from hasten.pipeline.eject.random_numbers import DRAWS
from hasten.pipeline.eject.training_lines import main_function

WIDTH = 116
_LOCAL = frozenset({
    "batch", "best", "data", "inputs", "loss", "losses", "model", "optimizer", "output", "parameters", "part",
    "progress", "scheduler", "session", "share", "step", "target", "terms", "waited", "weights",
})  # fmt: skip
"""Variables of functions of a script, in which a lambda of the person's may stand."""


def script(parts: Parts) -> str:
    """Return the text of the script."""
    copier = parts.copier
    copier.imports |= {Import("torch"), Import("torch", "Tensor"), Import("torch", "nn"), Import("typing", "Any")}
    copier.imports |= parts.samples.copier.imports
    for block in parts.blocks:
        for statement in block.source.imports:
            copier.statement(statement)
        for value in block.source.copies:
            copier.copy(value)
    functions = [*batch_functions(parts), loss_of(parts), evaluate(parts), main_function(parts)]
    techniques = [block.source.definitions for block in parts.blocks if block.source.definitions]
    own = [*parts.updating.definitions, *techniques, *filter(None, functions)]
    return _assembled(parts, own)


def _assembled(parts: Parts, own: Sequence[str]) -> str:
    """Return the whole text: docstring, imports, constants, copied definitions, the script's own functions."""
    both = [*parts.samples.copier.pieces.items(), *parts.copier.pieces.items()]
    order = parts.copier.order
    if parts.samples.module and not order:
        both.sort(key=lambda piece: _place(*piece[0], parts.samples.module))
    if order:
        both.sort(key=lambda piece: rank_of(*piece[0], order))
    pieces = {(name, text): (module, name) for (module, name), text in both}  # a file may be imported twice
    taken = _defined(own)
    copied = [text for _, text in pieces]
    for name, _ in pieces:
        shadowed = name not in CALLED and any(name in called_under_its_own_name(one) for one in own)
        other = CALLED.get(name) or (f"{name}_of_task" if name in taken or shadowed else name)
        if other != name:
            copied = [renamed(piece, name, other) for piece in copied]
        if shadowed:
            own = [calls_renamed(one, name, other) for one in own]
    for one in [one for one in parts.copier.imports if one.bound in CALLED]:
        parts.copier.imports = parts.copier.imports - {one} | {replace(one, alias=CALLED[one.bound])}
        copied = [renamed(piece, one.bound, CALLED[one.bound]) for piece in copied]
    definition, top = parts.samples.definition, parts.samples.top
    _check_names(parts, [*copied, *own])
    body = "\n".join([*copied, top, definition, *own])
    ours = _constants(parts, body)
    needed = needed_imports(parts.copier, "\n".join([body, ours]))
    acting = [text for text, key in zip(copied, pieces.values(), strict=True) if key in parts.copier.acting]
    if order:
        places = [rank_of(*key, order) for key in pieces.values()]
        needed, late = split(needed, parts.copier)
        copied, acting = between(copied, places, late), [*acting, *late.values()]
    constants = _first_constants(copied, acting)
    definitions = [piece for piece in copied if piece not in constants]
    imports = import_lines(needed)
    head = "\n\n".join(filter(None, [_docstring(parts), imports, ours, "\n".join(constants)]))
    end = 'if __name__ == "__main__":\n    main()'
    return "\n\n\n".join([head, *_together(definitions), *filter(None, [top]), definition, *own, end]) + "\n"


def _together(definitions: Sequence[str]) -> list[str]:
    """Return the definitions with constants that follow each other as one piece."""
    found = list[str]()
    for one in definitions:
        if found and not _is_definition(one) and not _is_definition(found[-1]):
            found[-1] += f"\n{one}"
        else:
            found.append(one)
    return found


def _check_names(parts: Parts, definitions: Sequence[str]) -> None:
    """Refuse a variable of the function that makes the task whose name the script uses for something else."""
    taken = _defined(definitions) | _LOCAL
    clash = sorted(parts.copier.shared & taken) or sorted(bound_names(parts.samples.top) & _defined(definitions))
    if clash:
        raise Refused(
            f"the script has something else of the name {clash[0]}. Rename the variable of the task's function"
        )


def _first_constants(copied: Sequence[str], acting: Collection[str]) -> list[str]:
    """Return the constants that need none of the definitions, in their order; so is that of random numbers.

    Args:
        copied: constants and definitions.
        acting: those that change something: where one of them waits for a definition, all that follows does.
    """
    later, found, waits, held = _defined(copied), list[str](), False, False
    for one in copied:
        if _is_definition(one):
            held = held or bool(acting and (one in acting or computes(one)))
            continue
        if held or free_names(one)[0] & later or (waits and DRAWS.search(one)):
            waits, held = True, held or one in acting
            later |= bound_names(one)
        else:
            found.append(one)
    return found


def _place(module: str, name: str, last: str) -> int:
    """Return the key that puts the definitions of a person's file last, in the order in which they stand there."""
    if module != last:
        return -1
    known = module_of(module)
    return known.bound.get(name, len(known.statements))


def _docstring(parts: Parts) -> str:
    notes = [
        textwrap.fill(note, WIDTH, subsequent_indent="        " if note.startswith(" ") else "", break_on_hyphens=False)
        for note in parts.notes
    ]
    return "\n".join([f'"""{parts.title}', "", *notes, '"""']) if notes else f'"""{parts.title}"""'


def _constants(parts: Parts, body: str) -> str:
    epochs = ""
    if parts.steps and parts.steps_per_epoch:
        epochs = f"  # {parts.steps / parts.steps_per_epoch:.3g} epochs of {parts.steps_per_epoch} steps"
    metric = parts.metric.name
    lines = [
        *parts.samples.constants,
        f'DEVICE = "{parts.device}"',
        f"SEED = {parts.seed}",
        *parts.comments("batch"),
        f"BATCH_SIZE = {parts.batch_size}" if re.search(r"\bBATCH_SIZE\b", body) else "",
        f"VALID_BATCH_SIZE = {parts.valid_batch_size}" if "VALID_BATCH_SIZE" in body else "",
        f"MICRO_BATCH = {parts.micro_batch}" if parts.micro_batch is not None else "",
        f"LR = {parts.updating.lr!r}" if re.search(r"\bLR\b", body) else "",
        f"STEPS = {parts.steps}{epochs}" if parts.steps is not None else "",
        f"SECONDS = {parts.seconds!r}" if parts.seconds is not None else "",
        f"EPOCHS = {parts.epochs}" if re.search(r"\bEPOCHS\b", body) else "",
        f"EVALUATE_EVERY = {parts.evaluate_every}  # steps" if "EVALUATE_EVERY" in body else "",
        f"TARGET = {parts.target!r}  # {metric} that is good enough" if parts.target is not None else "",
        f"PLATEAU = {parts.plateau!r}  # relative change of the training loss" if parts.plateau is not None else "",
        f"PATIENCE = {parts.patience}  # evaluations without a better {metric}" if parts.patience else "",
        *parts.objective.constants,
    ]
    return "\n".join(line for line in lines if line)


def _defined(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"^(?:def|class) (\w+)", "\n".join(texts), re.MULTILINE))


def _is_definition(text: str) -> bool:
    return text.startswith(("def ", "class ", "@", "if "))
