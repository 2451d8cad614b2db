"""The command line: `hasten COMMAND`."""

import os
import sys
import warnings
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hasten.base.errors import HastenWarning
from hasten.base.printable import printable
from hasten.cli import (
    attribute,
    batch,
    check,
    compare,
    diagnose,
    eject,
    explain,
    export,
    inspect,
    layout_trial,
    lr,
    machine,
    pack,
    plan,
    profile,
    report,
    run,
    script,
    techniques,
    train,
    tune,
    verify,
)
from hasten.cli.failing import ends_with_code, show_traceback
from hasten.cli.here import suggestions
from hasten.cli.starter import end_with_starter

_python_shows = warnings.showwarning
_NARROWEST = 20  # columns
_OF_SCRIPT = {"profile": "profile-script", "diagnose": "diagnose-script"}
"""What a command becomes where it is given a script: one whose further arguments are the script's."""
_OF_RUN = {"diagnose": "diagnose-run"}
"""What a command becomes where it is given the folder of a run."""

_START, _UNDERSTAND, _FASTER = "Start", "Understand a training", "Make it faster"
_TRAIN, _LEAVE, _DATA = "Train", "Leave", "Data"


class Commands(TyperGroup):
    """The commands; `--debug` is accepted anywhere on the line, but for what follows a script: that is the script's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--debug` to the front, where it is an option of hasten, and tell scripts and runs from tasks."""
        place = next((place for place, arg in enumerate(args) if arg == "-m" or _is_script(arg)), len(args))
        ours, rest = args[:place], args[place:]
        if "--debug" in ours:
            ours = ["--debug", *(arg for arg in ours if arg != "--debug")]
        if rest:
            ours = [_OF_SCRIPT.get(arg, arg) for arg in ours[:1]] + ours[1:]
        elif (command := next((arg for arg in ours if not arg.startswith("-")), "")) in _OF_RUN and any(
            map(_is_run, ours)
        ):
            ours = [_OF_RUN[command] if arg == command else arg for arg in ours]
        return super().parse_args(ctx, [*ours, *rest])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command under the name that was typed, which messages about its use say."""
        name, command, rest = super().resolve_command(ctx, args)
        typed = {became: word for word, became in (*_OF_SCRIPT.items(), *_OF_RUN.items())}
        return typed.get(name or "", name), command, rest


def _is_script(arg: str) -> bool:
    if not arg.endswith(".py"):
        return False
    from hasten.scripts.files import is_script

    return is_script(arg)


def _is_run(arg: str) -> bool:
    if not Path(arg).is_dir():
        return False
    from hasten.training.run_folder import is_run_folder

    return is_run_folder(Path(arg))


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="Start with: hasten run digits",
)


def _add(command: Callable[..., None], examples: tuple[str, ...], panel: str, **options: Any) -> None:
    app.command(epilog="\n\n".join(("Examples:", *examples)), rich_help_panel=panel, **options)(ends_with_code(command))


_SCRIPT = {"allow_interspersed_args": False, "ignore_unknown_options": True}
"""All that follows the script is for the script."""

_add(run.run, run.EXAMPLES, _START)
_add(check.check, check.EXAMPLES, _UNDERSTAND)
_add(profile.profile, profile.EXAMPLES, _UNDERSTAND)
_add(
    script.profile_script,
    script.EXAMPLES,
    _UNDERSTAND,
    name=_OF_SCRIPT["profile"],
    hidden=True,
    context_settings=_SCRIPT,
)
_add(diagnose.diagnose, diagnose.EXAMPLES, _UNDERSTAND)
_add(
    diagnose.diagnose_script,
    diagnose.EXAMPLES,
    _UNDERSTAND,
    name=_OF_SCRIPT["diagnose"],
    hidden=True,
    context_settings=_SCRIPT,
)
_add(diagnose.diagnose_run, diagnose.EXAMPLES, _UNDERSTAND, name=_OF_RUN["diagnose"], hidden=True)
_add(attribute.attribute, attribute.EXAMPLES, _UNDERSTAND)
_add(explain.explain, explain.EXAMPLES, _UNDERSTAND)
_add(script.watch, script.EXAMPLES, _UNDERSTAND, context_settings=_SCRIPT)
_add(machine.machine, machine.EXAMPLES, _UNDERSTAND)
_add(report.report, report.EXAMPLES, _UNDERSTAND)
_add(tune.tune, tune.EXAMPLES, _FASTER)
_add(layout_trial.layout_trial, (), _FASTER, name="layout-trial", hidden=True)
_add(compare.compare, compare.EXAMPLES, _FASTER)
_add(lr.lr, lr.EXAMPLES, _FASTER)
_add(batch.batch, batch.EXAMPLES, _FASTER)
_add(plan.plan, plan.EXAMPLES, _FASTER)
_add(techniques.techniques, techniques.EXAMPLES, _FASTER)
_add(train.train, train.EXAMPLES, _TRAIN)
_add(eject.eject, eject.EXAMPLES, _LEAVE)
_add(export.export, export.EXAMPLES, _LEAVE)
_add(inspect.inspect, inspect.EXAMPLES, _DATA)
_add(pack.pack, pack.EXAMPLES, _DATA)
_add(verify.verify, verify.EXAMPLES, _DATA)


def _version(wanted: bool) -> None:
    if wanted:
        from hasten import __version__

        typer.echo(f"hasten {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make gradient training in PyTorch faster, and prove it on your model and your machine."""
    end_with_starter()
    show_traceback.set(debug)
    if ctx.invoked_subcommand is None:
        found = list(suggestions(Path.cwd()))
        if not found:
            typer.echo(ctx.get_help())
            return
        width = max(len(command) for command, _ in found)
        typer.echo("In this folder:")
        for command, what in found:
            typer.echo(printable(f"  {command:{width}}  # {what}"))
        typer.echo("All commands: hasten --help")


def main() -> None:
    """Run the command line; characters that the terminal cannot show are replaced."""
    if not os.environ.get("COLUMNS", "80").strip().isdecimal() or int(os.environ.get("COLUMNS", "80")) < _NARROWEST:
        del os.environ["COLUMNS"]  # a width of 0 would print nothing, help included
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.showwarning = _show_warning
    app()


def _show_warning(message: Warning | str, category: type[Warning], *args: Any, **options: Any) -> None:
    """Print hasten's own warnings as notes, and the others as Python does."""
    if issubclass(category, HastenWarning):
        typer.echo(f"hasten: note: {message}", err=True)
    else:
        _python_shows(message, category, *args, **options)


if __name__ == "__main__":
    main()
