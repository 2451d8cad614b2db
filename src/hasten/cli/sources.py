"""What the commands on data share: the source, its target column, and what to do with a sample that is bad."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from hasten.data.sources.on_error import OnBad

SourcePath: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="SOURCE", help="A file, a folder or a tar archive: images, texts, a table, arrays."),
]
StorePath: TypeAlias = Annotated[Path, typer.Argument(metavar="DEST", help="Folder of the packed store.")]
ColumnName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--column",
        "--target",
        metavar="COLUMN",
        help="Of a table: the column to predict, by name or place (0 the first, -1 the last, which is the default).",
    ),
]
SkipBad: TypeAlias = Annotated[
    bool, typer.Option("--skip-bad", help="Leave bad rows and files out and say so, instead of stopping at the first.")
]


def policy(*, skip_bad: bool) -> "OnBad":
    """Return what to do with a bad sample."""
    return "skip" if skip_bad else "raise"
