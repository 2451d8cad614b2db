"""`hasten pack`: a data source as a store that is fast to read."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.notices import Activity
from hasten.cli.sources import DataOptions, SourcePath, StorePath, takes_data_options

if TYPE_CHECKING:
    from hasten.data.store.manifest import Manifest

EXAMPLES = ("hasten pack photos.tar.gz photos.store --size 128", "hasten pack houses.csv houses.store --column price")


@takes_data_options("--column", "--target")
def pack(
    source: SourcePath,
    destination: StorePath,
    size: Annotated[
        int | None, typer.Option("--size", metavar="PIXELS", help="Images: resize to squares of this side.")
    ] = None,
    encoded: Annotated[
        bool, typer.Option("--encoded", help="Images: store the encoded files instead of pixels.")
    ] = False,
    *,
    options: DataOptions,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a damaged store, or one of another source or other options.")
    ] = False,
) -> None:
    """Convert a data source to a checksummed store of .npy files.

    Ctrl-C stops; the same command resumes. DEST appears only when it is complete.
    """
    from hasten.data.packing.packing_of import packing_of
    from hasten.data.sources.source import read_source
    from hasten.data.store.pack import pack as pack_source
    from hasten.report.terminal import Screen
    from hasten.report.terminal.progress import working

    if size is not None and size < 1:
        raise BadInput(f"--size must be at least 1 pixel; found {size}.")
    with Screen() as screen:
        screen.show(Activity(text=f"reading {source}"))
        read = read_source(source, **options)
        on_bad = options.get("on_bad", "raise")
        packing = packing_of(read, form="encoded" if encoded else "pixels", size=size, on_bad=on_bad)
    done: list[int] = []
    try:
        with working(screen.console, "packing", amount=lambda number: f"{number:,.0f}") as moved:

            def progress(position: int, total: int) -> None:
                done.append(position)
                moved(position, total)

            manifest = pack_source(packing, destination, replace=replace, progress=progress)
    except KeyboardInterrupt:
        screen.say(f"{destination} is not complete; the same command resumes")
        raise
    for message in manifest.skipped:
        screen.say(f"skipped: {message}")
    screen.say(f"{'packed' if done else 'already packed'}: {destination}, {_words(manifest)}")
    screen.next(f"hasten verify {shlex.quote(str(destination))}")


def _words(manifest: "Manifest") -> str:
    from hasten.base.units import nbytes

    size = nbytes(sum(array.nbytes for _, array in manifest.arrays()))
    left_out = f", {len(manifest.skipped)} skipped" if manifest.skipped else ""
    samples = f"{manifest.num_samples:,} samples, " if manifest.num_samples else ""
    return f"{manifest.kind}, {samples}{size}{left_out}"
