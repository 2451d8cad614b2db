"""`hasten inspect`: what a data source holds."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.records.notices import Activity
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson
from hasten.cli.sources import DataOptions, SourcePath, command_for, takes_data_options

EXAMPLES = ("hasten inspect photos.tar.gz", "hasten inspect houses.csv --column price --html houses.html")


@takes_data_options("--column", "--target")
def inspect(
    source: SourcePath,
    *,
    options: DataOptions,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write an HTML page with sample images or rows.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a data source holds: counts, classes, ranges, missing and repeated samples."""
    from hasten.data.inspect.inspect import inspect as inspect_source
    from hasten.data.sources.source import read_source
    from hasten.report.inspection_page import write_inspection
    from hasten.report.terminal import Screen
    from hasten.report.terminal.inspection import inspection_view

    with Screen() as screen:
        if not as_json:
            screen.show(Activity(text=f"reading {source}"))
        found = inspect_source(read_source(source, **options))
        if html is not None:
            write_inspection(found, html)
        if as_json:
            write_json(found)
        else:
            screen.print(inspection_view(found))
            if html is not None:
                screen.say(f"page with samples: {html}")
            screen.next(command_for(found.kind, source, options))
