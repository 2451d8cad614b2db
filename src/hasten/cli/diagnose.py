"""`hasten diagnose`: is this training healthy, and what is wrong with it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hasten.base.errors import unknown_name
from hasten.base.records.finding import Severity
from hasten.base.records.fix import Outcome
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, Html, PlanPath, TensorBoard, chosen_task
from hasten.cli.script import Arguments, AsModule, Script
from hasten.cli.sources import DataOptions, takes_data_options

if TYPE_CHECKING:
    from hasten.base.records.finding import Diagnosis
    from hasten.diagnosis.registry import Tier
    from hasten.report.terminal import Screen

EXAMPLES = (
    "hasten diagnose train.py --epochs 2",
    "hasten diagnose my_task.py --only W,E",
    "hasten diagnose --html health.html train.py",
    "hasten diagnose runs/digits-20260101-120000",
)

SICK = 1
"""Exit code where something was found that is more than a note."""

Steps: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--steps", metavar="N", min=1, help="Training steps to look at; by default up to 200, as fit into 15 s."
    ),
]
Fixes: TypeAlias = Annotated[
    bool, typer.Option("--fix", help="Try remedies in paired short trainings from the same seeds.")
]
Tiers: TypeAlias = Annotated[
    str, typer.Option("--only", metavar="W,E", help="Only wiring (W), data (E), dynamics (D) or transformers (T).")
]


@takes_data_options("--column")
def diagnose(
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="A task (digits, FILE.py[:FUNCTION]), a training script, or a run folder."),
    ],
    data: DataPath = None,
    *,
    options: DataOptions,
    plan: PlanPath = None,
    steps: Steps = None,
    only: Tiers = "",
    fix: Fixes = False,
    html: Html = None,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
) -> None:
    """Train for a while, or read what a run recorded, and say what is wrong with the training, and what to do."""
    from hasten import api
    from hasten.report.terminal import Screen

    tiers, chosen = _tiers(only), chosen_task(task, data=data, options=options)
    with Screen() as screen:
        show = api.silent if as_json else screen.show
        found = api.diagnose(
            chosen, plan, steps=steps, only=tiers, fix=fix, html=html, tensorboard=tensorboard, show=show
        )
        _say(found, None if as_json else screen, (html, tensorboard), healthy=f"hasten profile {chosen.command}")


def diagnose_script(
    script: Script,
    arguments: Arguments = None,
    *,
    module: AsModule = False,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="End the script after N training steps.")
    ] = None,
    only: Tiers = "",
    fix: Fixes = False,
    html: Html = None,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
) -> None:
    """Run your own training script unchanged, and say what is wrong with its training, and what to do."""
    from rich.console import Console

    from hasten.api import silent
    from hasten.pipeline.diagnosing import health_of_script, judged
    from hasten.pipeline.fixing import fixed, of_script
    from hasten.pipeline.seeing import Views
    from hasten.report.terminal import Screen
    from hasten.scripts.files import called

    tiers, given, views = _tiers(only), arguments or [], Views(html, tensorboard)
    profiled = shlex.join(["hasten", "profile", *called(script, module=module), *given])
    run = health_of_script(
        script,
        given,
        module=module,
        steps=steps,
        histograms=tensorboard is not None,
        output_to_stderr=as_json,
    )
    if run.seen is None:
        typer.echo(f"hasten: no diagnosis: {run.why_nothing}", err=True)
        raise typer.Exit(run.exit_code)
    with Screen(Console(stderr=True, highlight=False)) as screen:
        show = silent if as_json else screen.show
        found = judged(run.seen, tiers)
        show(found)
        if fix and found.findings:
            found = fixed(of_script(script, given, module=module, steps=steps), found, show=show)
        views.write(run.seen, found)
        _say(found, None if as_json else screen, (html, tensorboard), healthy=profiled, script_code=run.exit_code)


def diagnose_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that was trained with --diagnose.")],
    *,
    only: Tiers = "",
    html: Html = None,
    tensorboard: TensorBoard = None,
    as_json: AsJson = False,
) -> None:
    """Say what was wrong with a training that `hasten train --diagnose` recorded, by the rules of today."""
    from hasten.pipeline.diagnosing import judged
    from hasten.pipeline.seeing import Views
    from hasten.report.terminal import Screen
    from hasten.training.run_folder import read_health

    views, health = Views(html, tensorboard), read_health(run)
    found = judged(health, _tiers(only))
    views.write(health, found)
    with Screen() as screen:
        if not as_json:
            screen.show(found)
        _say(
            found, None if as_json else screen, (html, tensorboard), healthy=f"hasten attribute {shlex.quote(str(run))}"
        )


def _tiers(only: str) -> "list[Tier]":
    from hasten.diagnosis.registry import Tier

    known = {tier.value: tier for tier in Tier}
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise unknown_name("tier", unknown, known)
    return [known[name] for name in wanted] or list(Tier)


def _say(
    found: "Diagnosis",
    screen: "Screen | None",
    written: tuple[Path | None, Path | None],
    *,
    healthy: str,
    script_code: int = 0,
) -> None:
    """Say what was written and what to do next, or print JSON; exit with 1 where more than notes were found.

    A script that failed keeps its own exit code. `healthy` is the next command where nothing was found.
    """
    if screen is None:
        write_json(found)
    else:
        page, log = written
        if page is not None:
            screen.say(f"page: {page}")
        if log is not None:
            screen.say(f"open with: tensorboard --logdir {log}")
        first = next(iter(found.findings), None)
        cure = next((one for one in found.fix.tried if one.outcome is Outcome.CURES), None) if found.fix else None
        if cure is not None:
            screen.say(f"to cure it, write: {cure.line}")
        screen.next(f"hasten explain {first.id or first.symptom}" if first else healthy)
    sick = any(one.severity is not Severity.NOTE for one in found.findings)
    raise typer.Exit(script_code or (SICK if sick else 0))
