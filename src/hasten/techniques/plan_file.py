"""Plans as TOML files that a person can read and edit, with the measured gain beside each line."""

import re
import tomllib
from pathlib import Path
from typing import Any

from hasten.base.errors import BadInput, HastenError
from hasten.base.files import write_text
from hasten.base.records.plan import Choice, Plan
from hasten.techniques.applying import make
from hasten.techniques.old_names import current_name
from hasten.techniques.plan_text import NOT_MEASURED, plan_text


def write_plan(plan: Plan, path: Path) -> None:
    """Write the plan as TOML, atomically."""
    write_text(path, plan_text(plan))


def read_plan(path: Path) -> Plan:
    """Return the plan that a TOML file holds, with what it says of each gain as the technique's note.

    Raises:
        BadInput: if the file is missing, is not TOML, or names an unknown technique or knob; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} must be a readable plan file; found: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} must be a readable plan file; found: {error}.") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} must be a plan in TOML; found: {error}.") from error
    task = content.pop("task", None)
    if not isinstance(task, str):
        raise BadInput(f'{path} must name its task with a line `task = "NAME"`; found {task!r}.')
    choices: list[Choice] = []
    for written, knobs in content.items():
        if not isinstance(knobs, dict):
            line = _line(text, written)
            raise BadInput(f"{path}, line {line}: {written!r} must be a table [{written}]; found {knobs!r}.")
        name = current_name(written)
        if name in [choice.technique for choice in choices]:
            raise BadInput(f"{path}, line {_line(text, f'[{written}]')}: {name!r} is listed more than once.")
        _check(path, text, written, knobs)
        choices.append(Choice(technique=name, knobs=knobs, note=_said(text, written)))
    on = re.search(r"^# Measured on (.*?)(?: with ((?:\w+ \S+, )*\w+ \S+))?\.$", text, re.MULTILINE)
    machine, versions = (on[1], on[2] or "") if on else ("", "")
    found = dict(one.split(" ") for one in versions.split(", ") if one)
    return Plan(task=task, choices=tuple(choices), machine=machine, versions=found)


def _said(text: str, name: str) -> str:
    """Return the comment behind the head of a technique's table; empty where nothing was measured."""
    found = re.search(rf"^\[{re.escape(name)}\][ \t]*#[ \t]*(.*\S)[ \t]*$", text, re.MULTILINE)
    return "" if found is None or found[1] == NOT_MEASURED else found[1]


def _check(path: Path, text: str, name: str, knobs: dict[str, Any]) -> None:
    """Make the technique once, so that a mistake is told with its line."""
    try:
        make(name)
    except HastenError as error:
        raise BadInput(f"{path}, line {_line(text, f'[{name}]')}: {error}") from error
    for knob, value in knobs.items():
        try:
            make(name, {knob: value})
        except HastenError as error:
            raise BadInput(f"{path}, line {_line(text, knob, after=f'[{name}]')}: {error}") from error


def _line(text: str, start: str, *, after: str = "") -> int:
    """Return the number of the first line that begins with `start`, looking after the line that begins with `after`."""
    lines = [line.lstrip() for line in text.splitlines()]
    first = next((number for number, line in enumerate(lines) if after and line.startswith(after)), 0)
    return next((number + 1 for number in range(first, len(lines)) if lines[number].startswith(start)), first + 1)
