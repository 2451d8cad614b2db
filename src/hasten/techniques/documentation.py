"""The catalog in words: one page per technique, made from its module, its card and its knobs.

    python -m hasten.techniques.documentation docs/techniques

writes the pages; the command line shows the same text.
"""

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta

from hasten.base.errors import BadInput
from hasten.base.files import write_text
from hasten.base.records.plan import Knob
from hasten.base.stages import STAGES, Guarantee, Stage
from hasten.base.units import seconds
from hasten.techniques.applying import knob_types
from hasten.techniques.registry import own_techniques
from hasten.training.technique import Technique

HEADINGS = ("What it does", "Why it helps", "When it hurts", "Numerics", "Known problems", "Source")
"""Every technique's module opens with these, in this order."""

GUARANTEES = {
    Guarantee.EXACT: "losses and gradients stay equal bit for bit",
    Guarantee.ROUNDING: "the same mathematics, rounded at other places",
    Guarantee.PRECISION: "a narrower number format, with an error far below the gradient's own noise",
    Guarantee.TRAJECTORY: "another way to the same objective; has to be allowed",
    Guarantee.MODEL: "another model or other data; has to be allowed",
}
"""What each guarantee promises, in one line."""

_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


@dataclass(frozen=True)
class KnobRow:
    """One knob as a person reads it."""

    name: str
    kind: str
    default: str
    allowed: str
    meaning: str


def sections(kind: type[Technique]) -> dict[str, str]:
    """Return heading -> text of the module that a technique is in.

    Raises:
        BadInput: if a heading is missing or out of order; the message names the module.
    """
    module = inspect.getmodule(kind)
    assert module is not None, "a class is defined in a module"
    found: dict[str, list[str]] = {}
    for line in inspect.cleandoc(module.__doc__ or "").splitlines()[1:]:
        if line in HEADINGS:
            found[line] = []
        elif found:
            found[list(found)[-1]].append(line)
    if tuple(found) != HEADINGS:
        raise BadInput(
            f"{module.__name__} must open with the headings {', '.join(HEADINGS)}, in this order; "
            f"found {', '.join(found) or 'none'}."
        )
    return {heading: inspect.cleandoc("\n".join(lines)).strip() for heading, lines in found.items()}


def knob_rows(kind: type[Technique]) -> list[KnobRow]:
    """Return the knobs of a technique with their defaults and valid ranges."""
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]  (it is a dataclass)
    return [_knob_row(name, hint, defaults[name]) for name, hint in knob_types(kind).items()]


def page(kind: type[Technique]) -> str:
    """Return a technique's page as Markdown."""
    card = kind.card
    facts = [
        f"- **stage**: {card.stage}",
        f"- **guarantee**: {card.guarantee} ({GUARANTEES[card.guarantee]})",
        _fact("treats", card.treats),
        _fact("needs", card.needs, "; "),
        _fact("cannot be combined with", card.conflicts),
        _fact("applied after", card.after),
        _fact("tried together with", card.best_with),
        _fact("pointless beside", card.pointless_beside),
        _fact("makes use of", card.exploits),
        "" if card.saves_time else "- **saves time**: no; it is not benchmarked when tuning",
        f"- **costs once**: about {seconds(card.setup_s)} or more" if card.setup_s else "",
        _fact("knobs that tuning tries", [_setting(knobs) for knobs in card.search if knobs], "; "),
        *(f"- **exception**: {check}: {reason}" for check, reason in card.exceptions.items()),
    ]
    parts = [f"# {card.name}", f"{_sentence(card.idea)}", "\n".join(filter(None, facts)), _knobs(kind)]
    for heading, text in sections(kind).items():
        parts += [f"## {heading}", text]
    return "\n\n".join(parts) + "\n"


def index(kinds: Sequence[type[Technique]]) -> str:
    """Return the catalog as Markdown: the techniques by stage, each with its guarantee and idea."""
    parts = [
        "# The techniques",
        "In the order in which data flow through a step. `tune` tries the first three guarantees by itself, each "
        "behind its proof; the others have to be allowed.",
        "\n".join(f"- **{guarantee}**: {promise}" for guarantee, promise in GUARANTEES.items()),
    ]
    for stage, members in by_stage(kinds).items():
        rows = [
            f"| [{one.card.name}]({one.card.name}.md) | {one.card.guarantee} | {one.card.idea} |" for one in members
        ]
        parts += [f"## {stage}", "\n".join(["| technique | guarantee | idea |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def by_stage(kinds: Sequence[type[Technique]]) -> dict[Stage, list[type[Technique]]]:
    """Return the techniques of each stage that has any, in the order of the stages."""
    found = {stage: [kind for kind in kinds if kind.card.stage is stage] for stage in STAGES}
    return {stage: members for stage, members in found.items() if members}


def pages(kinds: Sequence[type[Technique]] | None = None) -> dict[str, str]:
    """Return file name -> text of the whole catalog."""
    kinds = own_techniques() if kinds is None else kinds
    return {"index.md": index(kinds), **{f"{kind.card.name}.md": page(kind) for kind in kinds}}


def write_pages(folder: Path) -> None:
    """Write the catalog into a folder.

    Raises:
        BadInput: if the folder cannot be written.
    """
    for name, text in pages().items():
        write_text(folder / name, text)


def _knob_row(name: str, hint: Any, default: object) -> KnobRow:
    meta = [part for part in get_args(hint)[1:] if isinstance(part, Meta)] if get_origin(hint) is Annotated else []
    kind = get_args(hint)[0] if meta else hint
    limits = [
        f"{words} {getattr(one, name)}" for one in meta for name, words in _BOUNDS if getattr(one, name) is not None
    ]
    return KnobRow(
        name=name,
        kind=getattr(kind, "__name__", str(kind)),
        default="" if default is MISSING else str(default),
        allowed=", ".join(limits),
        meaning="; ".join(one.description for one in meta if one.description),
    )


def _knobs(kind: type[Technique]) -> str:
    rows = knob_rows(kind)
    if not rows:
        return "It has no knobs."
    lines = [f"| {row.name} | {row.kind} | {row.default} | {row.allowed} | {row.meaning} |" for row in rows]
    return "\n".join(["| knob | type | default | allowed | meaning |", "|---|---|---|---|---|", *lines])


def _fact(name: str, values: Sequence[str], between: str = ", ") -> str:
    return f"- **{name}**: {between.join(values)}" if values else ""


def _setting(knobs: Mapping[str, Knob]) -> str:
    return ", ".join(f"{name}={value}" for name, value in knobs.items())


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m hasten.techniques.documentation FOLDER")
    write_pages(Path(sys.argv[1]))
