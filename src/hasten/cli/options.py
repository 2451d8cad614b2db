"""The arguments and options that commands share, and their values."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from hasten.base.errors import unknown_name
from hasten.base.printable import printable
from hasten.base.stages import Guarantee

if TYPE_CHECKING:
    from hasten.training.task import Task

TaskName: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="TASK", help="A built-in task (linear, digits, ...) or FILE.py[:FUNCTION]."),
]
DataPath: TypeAlias = Annotated[
    Path | None, typer.Option("--data", metavar="PATH", help="File or folder with the task's data.")
]
PlanPath: TypeAlias = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Use the techniques of this plan file.")
]
Budget: TypeAlias = Annotated[
    str | None,
    typer.Option("--budget", metavar="5%|2m", help="Tuning time, as a share of the planned training or a duration."),
]
Allow: TypeAlias = Annotated[
    str,
    typer.Option("--allow", metavar="trajectory,model", help="Guarantees beyond the free ones that tuning may use."),
]
Only: TypeAlias = Annotated[str, typer.Option("--only", metavar="NAME,...", help="Try these techniques and no others.")]
Exclude: TypeAlias = Annotated[str, typer.Option("--exclude", metavar="NAME,...", help="Do not try these techniques.")]
Accept: TypeAlias = Annotated[
    str,
    typer.Option(
        "--accept", metavar="NAME,...", help="Keep these techniques if they are faster, even without numerical proof."
    ),
]
Fresh: TypeAlias = Annotated[
    bool, typer.Option("--fresh", help="Measure everything anew, whatever earlier tunings of this training found.")
]
Target: TypeAlias = Annotated[
    float | None, typer.Option("--target", metavar="X", help="Stop when the metric reaches this value.")
]
Epochs: TypeAlias = Annotated[int | None, typer.Option("--epochs", metavar="N", help="Train for at most N epochs.")]
Seed: TypeAlias = Annotated[int | None, typer.Option("--seed", metavar="N", help="Random seed.")]
Runs: TypeAlias = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Parent folder of the run folder.")]
ShowAll: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Also show the techniques that do not apply, with their reasons.")
]
Html: TypeAlias = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write an HTML page with the findings and charts.")
]
TensorBoard: TypeAlias = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Also write scalars and histograms for TensorBoard."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

RUNS = Path("runs")


def chosen_task(
    name: str,
    *,
    data: Path | None,
    options: Mapping[str, Any],
    target: float | None = None,
    epochs: int | None = None,
    seed: int | None = None,
) -> "Task":
    """Return the task of that name with the changes from the command line; its notes go to standard error.

    Raises:
        BadInput: if there is no such task, its data cannot be read, or a change is out of range.
    """
    from hasten.tasks.loading import load_task

    task = load_task(name, data=data, **options)
    for note in task.notes:
        typer.echo(printable(f"hasten: note: {note}"), err=True)
    stop = task.stop
    if target is not None:
        stop = replace(stop, target=target)
    if epochs is not None:
        stop = replace(stop, epochs=epochs)
    return replace(task, stop=stop, seed=task.seed if seed is None else seed)


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list such as "bf16,sdpa"."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def guarantees(text: str) -> tuple[Guarantee, ...]:
    """Return the guarantees that a list such as "trajectory,model" names.

    Raises:
        BadInput: if one of them is unknown.
    """
    names = names_in(text)
    for name in names:
        if name not in {*Guarantee, "path"}:  # what "trajectory" was called before
            raise unknown_name("guarantee", name, [one.value for one in Guarantee])
    if "path" in names:
        typer.echo('hasten: note: the guarantee "path" is now called "trajectory"', err=True)
    return tuple(map(Guarantee, names))
