"""`hasten attribute`: which parts of the input the predictions of a trained model come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.records.attribution import Method
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, chosen_task
from hasten.cli.sources import DataOptions, as_options, takes_data_options

if TYPE_CHECKING:
    from hasten.training.task import Task

EXAMPLES = (
    "hasten attribute runs/digits-20260101-120000",
    "hasten attribute runs/digits-20260101-120000 --method saliency --samples 5",
    "hasten attribute runs/my_task-20260101-120000 my_task.py --json",
)
PAGE = "attribution.html"


@takes_data_options("--column")
def attribute(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="What was trained; by default as the run recorded it.")
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    method: Annotated[Method, typer.Option("--method", help="How predictions are attributed to the input.")] = (
        Method.INTEGRATED_GRADIENTS
    ),
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=1, help="Samples of each kind: wrong, uncertain, right.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed of the choice of samples.")] = 0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help=f"Where to write the page (default: RUN/{PAGE}).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a trained model's predictions come from: pixels, words or columns, with two checks."""
    from hasten import api
    from hasten.pipeline.attributing import check_run
    from hasten.report.terminal import Screen

    check_run(run)
    chosen = _recorded(context, run) if task is None else chosen_task(task, data=data, options=options)
    page = html or (None if as_json else run / PAGE)
    with Screen() as screen:
        show = api.silent if as_json else screen.show
        found = api.attribute(run, chosen, method=method, samples=samples, seed=seed, html=page, show=show)
        if as_json:
            write_json(found)
            return
        screen.show(found)
        screen.say(f"page: {page}")


def _recorded(context: typer.Context, run: Path) -> "Task":
    """Return the task that a run was trained with, from the words that named it on the command line."""
    from hasten.pipeline.attributing import command_of

    given = context.command.make_context("attribute", [str(run), *command_of(run)]).params
    data = given["data"]
    return chosen_task(given["task"], data=None if data is None else Path(data), options=as_options(given))
