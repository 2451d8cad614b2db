"""`hasten export`: the model of a run as a file that runs without its Python code."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.export import Format
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = (
    "hasten export runs/digits-20260101-120000 digits --to pt2",
    "hasten export runs/my_task-20260101-120000 my_task.py --to int8 -o model.onnx",
)


@takes_data_options("--column")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="What was trained.")],
    to: Annotated[Format, typer.Option("--to", help="Format of the file.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write to this file [RUN/model.FORMAT].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    data: DataPath = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> None:
    """Export the model of a run to a file, and compare its outputs, size and time with the model's."""
    from hasten import api
    from hasten.pipeline.exporting import path_in
    from hasten.report.terminal import Screen

    path = out or path_in(run, to)
    if path.exists() and not force:
        raise BadInput(f"{path} exists. Pass another -o FILE, or --force to replace it.")
    chosen = chosen_task(task, data=data, options=options)
    with Screen() as screen:
        show = api.silent if as_json else screen.show
        found = api.export(run, chosen, to=to, out=path, show=show)
        if as_json:
            write_json(found)
        else:
            screen.show(found)
