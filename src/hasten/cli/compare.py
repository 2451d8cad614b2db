"""`hasten compare`: two plans, seeds, or versions, by whole trainings."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.errors import BadInput
from hasten.cli.failing import FAILED
from hasten.cli.options import DataPath, Epochs, Seed, Target, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

if TYPE_CHECKING:
    from hasten.base.records.side_by_side import SideBySide

EXAMPLES = (
    "hasten compare digits baseline plan.toml",
    "hasten compare my_task.py a.toml b.toml --seeds 7 --fail-if-slower 3%",
    "hasten compare digits plan.toml plan.toml --python-b ../other/.venv/bin/python",
)
PLAIN = "baseline"
"""What stands for no plan."""


class Export(StrEnum):
    """What the comparison is printed as."""

    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


@takes_data_options("--column")
def compare(
    task: TaskName,
    a: Annotated[str, typer.Argument(metavar="A", help="A plan file, or `baseline` for no plan.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The plan file, or `baseline`, that is compared with A.")],
    seeds: Annotated[int, typer.Option("--seeds", min=2, metavar="N", help="Train each side on N seeds.")] = 5,
    python_a: Annotated[
        Path | None, typer.Option("--python-a", metavar="PYTHON", help="Train A with this Python and its libraries.")
    ] = None,
    python_b: Annotated[
        Path | None, typer.Option("--python-b", metavar="PYTHON", help="Train B with this Python and its libraries.")
    ] = None,
    fail_if_slower: Annotated[
        str | None, typer.Option("--fail-if-slower", metavar="3%", help="Exit with 1 if B is surely slower by more.")
    ] = None,
    export: Annotated[
        Export | None, typer.Option("--export", help="Print only this: a table, a line for each training, or all.")
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    target: Target = None,
    epochs: Epochs = None,
    seed: Seed = None,
) -> None:
    """Train with two plans from the same seeds, and say which one reaches equal quality sooner."""
    from hasten import api
    from hasten.pipeline.side_by_side import is_slower_by
    from hasten.report.terminal import Screen

    share = None if fail_if_slower is None else _share(fail_if_slower)
    chosen = chosen_task(task, data=data, options=options, target=target, epochs=epochs, seed=seed)
    words = shlex.split(chosen.command)
    words += [] if target is None else ["--target", str(target)]
    words += [] if epochs is None else ["--epochs", str(epochs)]
    with Screen() as screen:
        found = api.compare(
            chosen,
            _plan(a),
            _plan(b),
            names=_names(a, b, python_a, python_b),
            pythons=(python_a, python_b),
            seeds=seeds,
            words=words,
            show=screen.show if export is None else api.silent,
        )
        if export is None:
            screen.show(found)
    if export is not None:
        typer.echo(_exported(found, export), nl=False)
    if found.interrupted_by is not None:
        raise typer.Exit(128 + found.interrupted_by)
    if share is not None and is_slower_by(found, share):
        raise typer.Exit(FAILED)


def _plan(text: str) -> Path | None:
    return None if text == PLAIN else Path(text)


def _names(a: str, b: str, python_a: Path | None, python_b: Path | None) -> tuple[str, str]:
    """Return what the sides are called: what was typed, with the Python where that tells them apart."""
    if a != b:
        return a, b
    if python_a == python_b:
        raise BadInput(f"both sides are {a}: pass two plans, or another Python for one of them (--python-b).")
    return tuple(f"{a} with {python or 'this Python'}" for python in (python_a, python_b))  # type: ignore[return-value]


def _share(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError as error:
        raise BadInput(f"--fail-if-slower must look like 3%; found {text!r}.") from error
    if not 0 <= share < 10:
        raise BadInput(f"--fail-if-slower must be from 0% to 1000%; found {text!r}.")
    return share


def _exported(found: "SideBySide", export: Export) -> str:
    from hasten.base.records.record import to_json
    from hasten.report.side_by_side import as_csv, as_markdown

    if export is Export.JSON:
        return to_json(found).decode()
    return as_markdown(found) if export is Export.MARKDOWN else as_csv(found)
