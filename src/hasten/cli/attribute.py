"""`hasten attribute`: which parts of the input the predictions of a trained model come from."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.records.attribution import Method
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath
from hasten.cli.recorded import RecordedTask, task_of
from hasten.cli.sources import DataOptions, takes_data_options

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
    task: RecordedTask = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    method: Annotated[Method, typer.Option("--method", help="How predictions are attributed to the input.")] = (
        Method.INTEGRATED_GRADIENTS
    ),
    samples: Annotated[
        int,
        typer.Option("--samples", metavar="N", min=1, max=50, help="Samples of each kind: wrong, uncertain, right."),
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed of the choice of samples.")] = 0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help=f"Where to write the page (default: RUN/{PAGE}).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a trained model's predictions come from: pixels, words or columns, with two checks."""
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = task_of(run, context, task=task, data=data, options=options)
    page = html or (None if as_json else run / PAGE)
    with Screen() as screen:
        show = api.silent if as_json else screen.show
        found = api.attribute(run, chosen, method=method, samples=samples, seed=seed, html=page, show=show)
        if as_json:
            write_json(found)
            return
        screen.show(found)
        screen.say(f"page: {page}")
        screen.next(f"hasten export {run} --to onnx")
