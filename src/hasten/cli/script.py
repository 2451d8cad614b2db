"""`hasten profile train.py` and `hasten watch train.py`: a training script, run as it is."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from hasten.base.errors import BadInput
from hasten.base.units import parse_duration
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson

EXAMPLES = ("hasten watch train.py", "hasten watch --every 10s train.py --lr 0.1 --epochs 3")

Script: TypeAlias = Annotated[Path, typer.Argument(metavar="SCRIPT.py", help="Your training script.")]
Arguments: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="Everything after the script is for the script.")
]
AsModule: TypeAlias = Annotated[bool, typer.Option("-m", help="SCRIPT is a module: run it as `python -m` would.")]
Steps: TypeAlias = Annotated[
    int | None, typer.Option("--steps", metavar="N", min=1, help="End the script after N training steps.")
]


def watch(
    script: Script,
    arguments: Arguments = None,
    *,
    module: AsModule = False,
    every: Annotated[
        str, typer.Option("--every", metavar="30s", help="Time between two lines about the steps.")
    ] = "30s",
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Run your own training script unchanged; show where the time of its steps goes while it trains and at the end."""
    _watched(script, arguments or [], module=module, steps=steps, every_s=parse_duration(every), as_json=as_json)


def profile_script(
    script: Script,
    arguments: Arguments = None,
    *,
    module: AsModule = False,
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Run your own training script unchanged; show where the time of its steps went, what is slow, and what to try."""
    _watched(script, arguments or [], module=module, steps=steps, every_s=None, as_json=as_json)


def _watched(
    script: Path, arguments: list[str], *, module: bool, steps: int | None, every_s: float | None, as_json: bool
) -> None:
    """Run the script, print its anatomy to standard error, or as JSON to standard output, and exit as it did."""
    from hasten.pipeline.script import examine_script
    from hasten.report.terminal import Screen
    from hasten.scripts.files import is_script

    if not module:
        if not script.is_file():
            raise BadInput(f"no script {script}.")
        if not is_script(str(script)):
            raise BadInput(
                f"{script} is not a training script but a task: it defines `task`. Run: hasten profile {script}"
            )
        typer.echo(f"hasten: {script.name} defines no `task`: it is run as a script", err=True)
    run, found = examine_script(
        script, arguments, module=module, steps=steps, tell_every_s=every_s, output_to_stderr=as_json
    )
    if found is None:
        typer.echo(f"hasten: no profile: {run.why_nothing}", err=True)
    elif as_json:
        write_json(found.profile)
    else:
        with Screen(Console(stderr=True, highlight=False)) as screen:
            screen.show(found.profile)
            for line in found.lines:
                screen.say(f"  add: {line}")
            screen.next(found.next)
    raise typer.Exit(run.exit_code)
