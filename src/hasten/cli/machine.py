"""`hasten machine`: measured peaks of this machine."""

from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson

EXAMPLES = ("hasten machine --quick", "hasten machine --refresh --json")


def machine(
    quick: Annotated[bool, typer.Option("--quick", help="Measure for 5 s instead of 30 s.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Measure again instead of using the cached result.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the peak rates of this machine: matmul, convolution, memory, disk, copies, threads."""
    from hasten.machine import load_cached, measure, store_cached
    from hasten.report.terminal import Screen
    from hasten.report.terminal.machine import machine_view

    with Screen() as screen:
        if not as_json:
            screen.show(Activity(text=f"measuring the machine, about {5 if quick else 30} s"))
        if refresh:
            found = measure(quick=quick)
            store_cached(found, quick=quick)
        else:
            found = load_cached(quick=quick)
        if as_json:
            write_json(found)
        else:
            screen.print(machine_view(found, kinds=None))
            screen.next("hasten run digits")
