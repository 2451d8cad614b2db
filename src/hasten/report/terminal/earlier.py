"""Results of techniques on this machine, on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hasten.report.earlier import Earlier, Found, last_of_each_task, trials_of
from hasten.report.terminal.layout import quiet, section
from hasten.report.terminal.trials import STYLES
from hasten.report.trials import finding
from hasten.report.wording import joined, ratio

TITLE = "on this machine"


def all_on_this_machine(names: Sequence[str], found: Found, runs: Path) -> RenderableType:
    """Return the result of each technique in the last run of each task, and the techniques that were never tried."""
    tried = {name: last_of_each_task(trials_of(name, found.evidence)) for name in names}
    parts: list[RenderableType] = [quiet(remark) for remark in found.remarks]
    if not found.evidence:
        return section(TITLE, Text(f"No results: {runs}/ has no run of this machine."), *parts)
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, trials in tried.items():
        for one in trials:
            speedup = one.trial.speedup
            measured = ratio(speedup, "pair") if speedup is not None else "not measured"
            verdict = Text(one.trial.verdict.value, style=STYLES[one.trial.verdict])
            table.add_row(Text(name), Text(one.task), verdict, Text(measured))
    never = [name for name, trials in tried.items() if not trials]
    if never:
        parts.append(Text(f"Never tried here: {joined(tuple(never), none='none')}."))
    return section(TITLE, table, *parts, note=f"last run of each task in {runs}/; above 1x is faster")


def one_on_this_machine(name: str, found: Found, runs: Path) -> RenderableType:
    """Return every trial of one technique, newest first, or that there is none."""
    trials = trials_of(name, found.evidence)
    remarks = [quiet(remark) for remark in found.remarks]
    if not trials:
        words = f"No results: no run in {runs}/ on this machine tried {name}."
        return section(TITLE, Text(words), *remarks)
    return section(TITLE, Group(*map(_told, trials)), *remarks, note=f"every run in {runs}/, newest first")


def _told(one: Earlier) -> RenderableType:
    verdict = (one.trial.verdict.value, STYLES[one.trial.verdict])
    said = finding(one.trial)
    words = Text.assemble(f"{one.task}: ", verdict, f"; {said}" if said else "")
    return Group(words, quiet(f"  {one.run}, {one.made_at}"))
