"""The machine on the terminal: facts, peaks and advice."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.machine import Machine
from hasten.base.units import seconds
from hasten.report.peaks import MAIN_KINDS, peak_rows
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import machine_line, plural

_REMARKS = 3


def machine_view(machine: Machine, *, kinds: frozenset[str] | None = MAIN_KINDS) -> RenderableType:
    """Return the machine's facts, its measured peaks of these kinds, and advice; all of it where `kinds` is None."""
    from hasten.report.machine_advice import advice_lines  # the cards need torch, which reading a report must not load

    content: list[RenderableType] = [
        Text(machine_line(machine)),
        quiet(f"{' '.join(machine.isa)}; torch {machine.torch}, Python {machine.python}, {machine.platform}"),
    ]
    rows = peak_rows(machine, kinds)
    if rows:
        cells = [(Text(row.kind), Text(row.how), _rate(row.rate), quiet(row.spread), quiet(row.size)) for row in rows]
        content.append(grid(cells, right=frozenset({2, 3})))
    remarks = (*advice_lines(machine), *machine.remarks)
    shown = remarks if kinds is None else remarks[:_REMARKS]
    content += [Text(f"! {remark}", style="yellow") for remark in shown]
    if (folded := len(remarks) - len(shown)) > 0:
        content.append(quiet(f"{plural(folded, 'more remark')}: hasten machine"))
    note = f"peaks measured in {seconds(machine.measured_s)}" if machine.peaks else "peaks not measured"
    return section("Machine", *content, note=note)


def _rate(text: str) -> Text:
    return Text(text, style="yellow" if text == "unstable" else "bold")
