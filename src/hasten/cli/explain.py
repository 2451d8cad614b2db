"""`hasten explain`: the page of a rule."""

from typing import Annotated

import typer

EXAMPLES = ("hasten explain", "hasten explain W2", "hasten explain not_in_optimizer")


def explain(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Its identifier or name: W2.")] = None,
) -> None:
    """List what hasten can find, or explain one finding: what, why, an example, and when it is wrong."""
    from rich.text import Text

    from hasten.diagnosis.pages import page
    from hasten.diagnosis.registry import HEALTH, SPEED
    from hasten.report.terminal import Screen
    from hasten.report.terminal.layout import grid, section

    with Screen() as screen:
        if rule is None:
            rows = [(page(identifier), identifier) for identifier in (HEALTH | SPEED)]
            screen.print(
                section("Findings", grid([(Text(name), Text(one.symptom), Text(one.title)) for one, name in rows]))
            )
            screen.next("hasten explain W2")
            return
        found = page(rule)
        parts = [(Text(heading), Text(text)) for heading, text in found.sections.items()]
        screen.print(section(f"{found.id} {found.symptom}", Text(found.title), grid(parts)))
        screen.next("hasten diagnose TASK or SCRIPT.py")
