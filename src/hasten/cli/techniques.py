"""`hasten techniques`: the catalogue."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

EXAMPLES = ("hasten techniques", "hasten techniques bf16")


def techniques(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one in full.")] = None,
) -> None:
    """List the techniques by stage, or explain one of them."""
    from rich.markdown import Markdown

    from hasten.report.terminal import Screen
    from hasten.techniques.documentation import page
    from hasten.techniques.registry import technique

    with Screen() as screen:
        if name is None:
            screen.print(_catalogue())
        else:
            screen.print(Markdown(page(technique(name))))


def _catalogue() -> "RenderableType":
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
