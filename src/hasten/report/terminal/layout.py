"""What every view on the terminal is laid out with."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

QUIET = "dim"


def section(title: str, *content: RenderableType, note: str = "") -> RenderableType:
    """Return content under a heading, set in by two columns, after an empty line."""
    heading = Text.assemble("\n", (title, "bold"), (f"  {note}" if note else "", QUIET))
    return Group(heading, *(indented(part) for part in content))


def indented(content: RenderableType) -> RenderableType:
    """Return content set in by two columns."""
    return Padding(content, (0, 0, 0, 2), expand=False)


def grid(rows: Iterable[tuple[RenderableType, ...]], *, right: frozenset[int] = frozenset()) -> Table:
    """Return rows in aligned columns without lines; the last column wraps, the others do not.

    Args:
        rows: cells, as many in each.
        right: columns that are aligned to the right.
    """
    rows = list(rows)
    table = Table.grid(padding=(0, 2, 0, 0))
    columns = len(rows[0]) if rows else 0
    for index in range(columns):
        table.add_column(justify="right" if index in right else "left", no_wrap=index < columns - 1, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def quiet(text: str) -> Text:
    """Return text that steps back."""
    return Text(text, style=QUIET)
