"""The arguments that the commands on data share: source, target column, what to do with bad samples."""

import shlex
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
        help="Tables: target column, by name or index (0 is the first; default -1, the last).",
    ),
]
SkipBad: TypeAlias = Annotated[
    bool, typer.Option("--skip-bad", help="Skip bad rows and files and name them, instead of stopping at the first.")
]


def policy(*, skip_bad: bool) -> "OnBad":
    """Return the policy for bad samples."""
    return "skip" if skip_bad else "raise"


TASKS = {"images": "images", "texts": "imdb", "table": "table", "tokens": "shakespeare"}
"""The built-in task for each kind of data source."""


def command_for(kind: str, source: Path, column: str | None = None, *, skip_bad: bool = False) -> str:
    """Return the command to use on a data source next: train on it, or look at a built-in task where none takes it."""
    options = f"{f' --column {shlex.quote(column)}' if column else ''}{' --skip-bad' if skip_bad else ''}"
    if kind not in TASKS:
        return "hasten run digits"
    return f"hasten run {TASKS[kind]} --data {shlex.quote(str(source))}{options}"
