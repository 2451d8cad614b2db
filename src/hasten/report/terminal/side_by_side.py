"""Two plans side by side, on the terminal; the last line is one sentence."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hasten.base.records.side_by_side import Faster, SideBySide
from hasten.report.side_by_side import rows, sentence
from hasten.report.terminal.layout import indented

_STYLES = {Faster.FASTER: "green", Faster.SLOWER: "red", Faster.NO_DIFFERENCE: "dim", Faster.NOT_PROVEN: "yellow"}


def side_by_side_view(found: SideBySide) -> RenderableType:
    """Return the table of both sides, and the verdict."""
    table = Table(box=None, padding=(0, 3, 0, 0))
    for name in ("", found.a, found.b):
        table.add_column(Text(name), overflow="fold")
    for row in rows(found):
        table.add_row(*map(Text, row))
    return Group(indented(table), Text(""), Text(sentence(found), style=_STYLES[found.verdict]))
