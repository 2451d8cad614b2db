"""`hasten export`: the model of a run as a file that runs without its Python code."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.export import Format
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath
from hasten.cli.recorded import RecordedTask, task_of
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = (
    "hasten export runs/digits-20260101-120000 --to onnx",
    "hasten export runs/my_task-20260101-120000 my_task.py --to int8 -o model.onnx",
)

_RUNTIME = 'python -c "import onnxruntime, sys; print(onnxruntime.InferenceSession(sys.argv[1]).get_inputs())" {}'
_LOAD = {
    Format.PT2: 'python -c "import torch, sys; print(torch.export.load(sys.argv[1]).graph_signature)" {}',
    Format.ONNX: _RUNTIME,
    Format.INT8: _RUNTIME,
}


@takes_data_options("--column")
def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    task: RecordedTask = None,
    to: Annotated[Format, typer.Option("--to", help="Format of the file.")] = Format.PT2,
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
    chosen = task_of(run, context, task=task, data=data, options=options)
    with Screen() as screen:
        show = api.silent if as_json else screen.show
        found = api.export(run, chosen, to=to, out=path, show=show)
        if as_json:
            write_json(found)
            return
        screen.show(found)
        screen.next(_LOAD[to].format(shlex.quote(str(path))))
