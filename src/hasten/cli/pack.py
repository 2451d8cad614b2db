"""`hasten pack`: a source as a store that is fast to read."""

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
        int | None, typer.Option("--size", metavar="PIXELS", help="Of images: scale to squares of this side.")
    ] = None,
    encoded: Annotated[
        bool, typer.Option("--encoded", help="Of images: keep the bytes of the files instead of pixels.")
    ] = False,
    *,
    options: DataOptions,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a store of another source, of other options, or a damaged one.")
    ] = False,
) -> None:
    """Read a source once and keep it as a store: checked, fast, and read by numpy alone.

    Ctrl-C stops; the same command goes on. Nothing that opens as a store is there before it is whole.
    """
    from hasten.data.packing.packing_of import packing_of
    from hasten.data.sources.source import read_source
    from hasten.data.store.pack import pack as pack_source
    from hasten.report.terminal import Screen
    from hasten.report.terminal.work import working

    if size is not None and size < 1:
        raise BadInput(f"the size of images must be at least 1 pixel; found --size {size}.")
    target, on_bad = options.pop("column", None), options.get("on_bad", "raise")
    with Screen() as screen:
        screen.show(Activity(text=f"reading {source}"))
        read = read_source(source, target=target, **options)
        packing = packing_of(read, form="encoded" if encoded else "pixels", size=size, on_bad=on_bad)
    done: list[int] = []
    try:
        with working(screen.console, "packing", amount=lambda number: f"{number:,.0f}") as moved:

            def progress(position: int, total: int) -> None:
                done.append(position)
                moved(position, total)

            manifest = pack_source(packing, destination, replace=replace, progress=progress)
    except KeyboardInterrupt:
        screen.say(f"{destination} is not made; the same command goes on where this one stopped")
        raise
    for message in manifest.skipped:
        screen.say(f"left out: {message}")
    screen.say(f"{'packed' if done else 'already there'}: {destination}, {_words(manifest)}")


def _words(manifest: "Manifest") -> str:
    from hasten.base.units import nbytes

    size = nbytes(sum(array.nbytes for _, array in manifest.arrays()))
    left_out = f", {len(manifest.skipped)} left out" if manifest.skipped else ""
    samples = f"{manifest.num_samples:,} samples, " if manifest.num_samples else ""
    return f"{manifest.kind}, {samples}{size}{left_out}"
