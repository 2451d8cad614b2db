"""Writes one plain PyTorch script, in the order of the stages."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from hasten.pipeline.eject.batch_lines import batch_functions
from hasten.pipeline.eject.copying import (
    Import,
    bound_names,
    called_under_its_own_name,
    calls_renamed,
    free_names,
    renamed,
)
from hasten.pipeline.eject.import_lines import import_lines, used
from hasten.pipeline.eject.judging import evaluate, loss_of
from hasten.pipeline.eject.parts import Parts
from hasten.pipeline.eject.training_lines import CALLED, main_function

WIDTH = 116


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
    both = (parts.samples.copier.pieces, parts.copier.pieces)
    pieces = {(name, text): text for one in both for (_, name), text in one.items()}  # a file may be imported twice
    taken = _defined(own)
    copied = list(pieces.values())
    for name, _ in pieces:
        shadowed = name not in CALLED and any(name in called_under_its_own_name(one) for one in own)
        other = CALLED.get(name) or (f"{name}_of_task" if name in taken or shadowed else name)
        if other != name:
            copied = [renamed(piece, name, other) for piece in copied]
        if shadowed:
            own = [calls_renamed(one, name, other) for one in own]
    definition, constants = parts.samples.definition, _first_constants(copied)
    definitions = [piece for piece in copied if piece not in constants]
    body = "\n".join([*copied, definition, *own])
    ours = _constants(parts, body)
    imports = import_lines(used(parts.copier.imports, "\n".join([body, ours])))
    head = "\n\n".join(filter(None, [_docstring(parts), imports, ours, "\n".join(constants)]))
    end = 'if __name__ == "__main__":\n    main()'
    return "\n\n\n".join([head, *definitions, definition, *own, end]) + "\n"


def _first_constants(copied: Sequence[str]) -> list[str]:
    """Return the constants that need none of the definitions, in their order."""
    later, found = _defined(copied), list[str]()
    for one in copied:
        if _is_definition(one):
            continue
        if free_names(one)[0] & later:
            later |= bound_names(one)
        else:
            found.append(one)
    return found


def _docstring(parts: Parts) -> str:
    notes = [
        textwrap.fill(note, WIDTH, subsequent_indent="        " if note.startswith(" ") else "") for note in parts.notes
    ]
    return "\n".join([f'"""{parts.title}', "", *notes, '"""']) if notes else f'"""{parts.title}"""'


def _constants(parts: Parts, body: str) -> str:
    epochs = ""
    if parts.steps:
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
        f"EVALUATE_EVERY = {parts.evaluate_every}  # steps",
        f"TARGET = {parts.target!r}  # {metric} that is good enough" if parts.target is not None else "",
        f"PATIENCE = {parts.patience}  # evaluations without a better {metric}" if parts.patience else "",
        *parts.objective.constants,
    ]
    return "\n".join(line for line in lines if line)


def _defined(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"^(?:def|class) (\w+)", "\n".join(texts), re.MULTILINE))


def _is_definition(text: str) -> bool:
    return text.startswith(("def ", "class ", "@", "if "))
