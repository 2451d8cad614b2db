"""`hasten inspect`: what a source of data holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.base.records.record import to_json
from hasten.cli.options import AsJson
from hasten.cli.sources import DataOptions, SourcePath, takes_data_options

EXAMPLES = ("hasten inspect photos.tar.gz", "hasten inspect houses.csv --column price --html houses.html")


@takes_data_options("--column", "--target")
def inspect(
    source: SourcePath,
    *,
    options: DataOptions,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures or rows of it, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a source of data holds: counts, classes, ranges, what is missing or repeated."""
    from hasten.data.inspect.inspect import inspect as inspect_source
    from hasten.data.sources.source import read_source
    from hasten.report.inspection_page import write_inspection
    from hasten.report.terminal import Screen
    from hasten.report.terminal.inspection import inspection_view

    with Screen() as screen:
        if not as_json:
            screen.show(Activity(text=f"reading {source}"))
        found = inspect_source(read_source(source, target=options.pop("column", None), **options))
        if html is not None:
            write_inspection(found, html)
        if as_json:
            sys.stdout.write(to_json(found).decode())
        else:
            screen.print(inspection_view(found))
            if html is not None:
                screen.say(f"with samples: {html}")
