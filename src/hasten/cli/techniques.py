"""`hasten techniques`: the catalog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.cli.options import RUNS

if TYPE_CHECKING:
    from rich.console import RenderableType

EXAMPLES = ("hasten techniques", "hasten techniques bf16")


def techniques(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of earlier runs with results on this machine.")
    ] = RUNS,
) -> None:
    """List all techniques, or explain one, with the results measured on this machine."""
    from rich.markdown import Markdown

    from hasten.machine import facts
    from hasten.report.earlier import evidence_in
    from hasten.report.terminal import Screen
    from hasten.report.terminal.earlier import all_on_this_machine, one_on_this_machine
    from hasten.techniques.documentation import page
    from hasten.techniques.registry import technique, techniques

    text = page(technique(name)) if name is not None else ""
    found = evidence_in(runs, facts())
    with Screen() as screen:
        if name is None:
            screen.print(_catalog())
            screen.print(all_on_this_machine(list(techniques()), found, runs))
            screen.next("hasten run digits")
        else:
            screen.print(Markdown(text))
            screen.print(one_on_this_machine(name, found, runs))
            screen.next("hasten techniques")


def _catalog() -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    from hasten.report.terminal.layout import grid, quiet, section
    from hasten.techniques.documentation import GUARANTEES, by_stage
    from hasten.techniques.registry import techniques

    kinds = list(techniques().values())
    width = max(len(kind.card.name) for kind in kinds)
    parts = [
        section(
            stage.value,
            grid(
                [
                    (Text(one.card.name.ljust(width)), quiet(f"{one.card.guarantee:<9}"), Text(one.card.idea))
                    for one in members
                ]
            ),
        )
        for stage, members in by_stage(kinds).items()
    ]
    promises = [(Text(guarantee.value), quiet(promise)) for guarantee, promise in GUARANTEES.items()]
    return Group(*parts, section("guarantees", grid(promises)))
