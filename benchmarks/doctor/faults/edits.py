"""Edits of a program's source that plant a fault. An edit whose place the program does not have returns None."""

import re
from collections.abc import Callable

Edit = Callable[[str, float], str | None]
"""(source, dose) -> the faulty source, or None where the fault does not apply to this program."""


def _dosed(text: str, dose: float) -> str:
    return text.replace("DOSE", repr(int(dose)) if float(dose).is_integer() else repr(dose))


def replace(pattern: str, new: str, *, count: int = 0) -> Edit:
    """Return an edit that replaces what a pattern matches; DOSE in the replacement is the dose."""

    def edit(source: str, dose: float) -> str | None:
        changed, places = re.subn(pattern, _dosed(new, dose), source, count=count, flags=re.MULTILINE)
        return changed if places and changed != source else None

    return edit


def delete(line: str) -> Edit:
    """Return an edit that deletes the lines that a pattern matches, without their indentation."""
    return replace(rf"^[ ]*(?:{line})\n", "")


def after(line: str, text: str) -> Edit:
    """Return an edit that inserts lines after the first line that a pattern matches, as far indented."""

    def edit(source: str, dose: float) -> str | None:
        found = re.search(rf"^([ ]*)(?:{line})\n", source, flags=re.MULTILINE)
        if found is None:
            return None
        return source[: found.end()] + _indented(_dosed(text, dose), found[1]) + source[found.end() :]

    return edit


def before(line: str, text: str) -> Edit:
    """Return an edit that inserts lines before the first line that a pattern matches, as far indented."""

    def edit(source: str, dose: float) -> str | None:
        found = re.search(rf"^([ ]*)(?:{line})\n", source, flags=re.MULTILINE)
        if found is None:
            return None
        return source[: found.start()] + _indented(_dosed(text, dose), found[1]) + source[found.start() :]

    return edit


def scaled(pattern: str) -> Edit:
    """Return an edit that multiplies the number in a pattern's group by the dose."""

    def edit(source: str, dose: float) -> str | None:
        found = re.search(pattern, source)
        if found is None or not float(found[1]):
            return None
        return source[: found.start(1)] + repr(float(found[1]) * dose) + source[found.end(1) :]

    return edit


def first_of(*edits: Edit) -> Edit:
    """Return the first edit that applies."""

    def edit(source: str, dose: float) -> str | None:
        return next((changed for one in edits if (changed := one(source, dose)) is not None), None)

    return edit


def all_of(*edits: Edit) -> Edit:
    """Return all edits in turn; None where one does not apply."""

    def edit(source: str, dose: float) -> str | None:
        changed: str | None = source
        for one in edits:
            changed = None if changed is None else one(changed, dose)
        return changed

    return edit


def where(pattern: str, edit: Edit) -> Edit:
    """Return an edit that applies only to programs that a pattern matches."""
    return lambda source, dose: edit(source, dose) if re.search(pattern, source, re.MULTILINE) else None


def without(pattern: str, edit: Edit) -> Edit:
    """Return an edit that applies only to programs that a pattern does not match."""
    return lambda source, dose: None if re.search(pattern, source, re.MULTILINE) else edit(source, dose)


def continuous(edit: Edit) -> Edit:
    """Return an edit that applies only to programs whose inputs are numbers, not tokens."""
    return without("Embedding", edit)


def _indented(text: str, indent: str) -> str:
    return "".join(f"{indent}{line}\n" for line in text.splitlines())


# Places that every program has, by the names they share.
DATA = r"return x_train, y_train, x_valid, y_valid"
MADE = r"optimizer = torch\.optim\..*"
FORWARD = r"output = model\(x.*\)"
BACKWARD = r"loss\.backward\(\)"
UPDATE = r"optimizer\.step\(\)"
CLASSES = r"cross_entropy\(output, y\)|CrossEntropyLoss"
REGRESSION = r"mse_loss\(output, y\)|MSELoss"
