"""`hasten diagnose`: is this training healthy, and what is wrong with it."""

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hasten.base.errors import unknown_name
from hasten.base.records.record import to_json
from hasten.cli.options import AsJson, DataPath, PlanPath, TaskName, chosen_task
from hasten.cli.script import Arguments, Script
from hasten.cli.sources import DataOptions, takes_data_options

if TYPE_CHECKING:
    from hasten.base.records.finding import Diagnosis
    from hasten.diagnosis.registry import Tier

EXAMPLES = ("hasten diagnose train.py --epochs 2", "hasten diagnose my_task.py --only W,E", "hasten diagnose digits")

SICK = 1
"""Exit code where something was found."""

Steps: TypeAlias = Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Training steps to look at.")]
Tiers: TypeAlias = Annotated[
    str, typer.Option("--only", metavar="W,E", help="Only wiring (W), data (E), dynamics (D) or transformers (T).")
]


@takes_data_options("--column")
def diagnose(
    task: TaskName,
    data: DataPath = None,
    *,
    options: DataOptions,
    plan: PlanPath = None,
    steps: Steps = 200,
    only: Tiers = "",
    as_json: AsJson = False,
) -> None:
    """Train for a while and say what is wrong with the wiring, the data and the gradients, and what to do."""
    from hasten import api

    tiers = _tiers(only)
    found = api.diagnose(chosen_task(task, data=data, options=options), plan, steps=steps, only=tiers)
    _say(found, as_json=as_json)


def diagnose_script(
    script: Script,
    arguments: Arguments = None,
    *,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="End the script after N training steps.")
    ] = None,
    only: Tiers = "",
    as_json: AsJson = False,
) -> None:
    """Run your own training script unchanged, and say what is wrong with its training, and what to do."""
    from hasten.pipeline.diagnosing import health_of_script, judged

    tiers = _tiers(only)
    run = health_of_script(script, arguments or [], steps=steps, output_to_stderr=as_json)
    if run.seen is None:
        typer.echo(f"hasten: no diagnosis: {run.reason}", err=True)
        raise typer.Exit(run.exit_code)
    _say(judged(run.seen, tiers), as_json=as_json, script_code=run.exit_code)


def _tiers(only: str) -> "list[Tier]":
    from hasten.diagnosis.registry import Tier

    known = {tier.value: tier for tier in Tier}
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise unknown_name("tier", unknown, known)
    return [known[name] for name in wanted] or list(Tier)


def _say(found: "Diagnosis", *, as_json: bool, script_code: int = 0) -> None:
    """Show a diagnosis and exit with 1 where something was found; where a script failed, with its own code."""
    if as_json:
        sys.stdout.write(to_json(found).decode())
    else:
        from rich.console import Console

        from hasten.report.terminal import Screen
        from hasten.report.terminal.health import health_view

        with Screen(Console(stderr=True, highlight=False) if script_code else None) as screen:
            screen.print(health_view(found))
            first = next(iter(found.findings), None)
            screen.next(
                f"hasten explain {first.id or first.symptom}" if first else "hasten profile: where the time goes"
            )
    raise typer.Exit(script_code or (SICK if found.findings else 0))
