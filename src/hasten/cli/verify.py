"""`hasten verify`: check a store or a run against its checksums."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hasten.base.errors import BadInput
from hasten.cli.sources import command_for

if TYPE_CHECKING:
    from hasten.data.store.damage import Damage

EXAMPLES = ("hasten verify photos.store", "hasten verify runs/digits-20260101-120000")


def verify(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="Folder of a packed store, or of a run.")],
) -> None:
    """Check every byte of a store or of a run against its checksums; of a store also whether its source has changed."""
    from hasten.training.run_folder import is_run_folder

    if is_run_folder(destination):
        _verify_run(destination)
    else:
        _verify_store(destination)


def _verify_run(folder: Path) -> None:
    from hasten.report.terminal import Screen
    from hasten.training.run_files import check_files
    from hasten.training.run_folder import EVIDENCE

    with Screen() as screen:
        found = check_files(folder)
        for name in found.whole:
            screen.say(f"ok: {name}")
        for name in found.unknown:
            screen.say(f"not checked: {name} has no checksum; an earlier version wrote it")
        for text in found.damage:
            screen.say(f"damaged: {text}")
        if found.damage:
            raise BadInput(f"{folder} is damaged, see above. Files that are listed as ok can be used.")
        screen.next(f"hasten report {folder}" if (folder / EVIDENCE).is_file() else f"hasten diagnose {folder}")


def _verify_store(destination: Path) -> None:
    from hasten.base.units import nbytes
    from hasten.data.store.fingerprint import path_of, source_changed
    from hasten.data.store.manifest import read_manifest, way_out
    from hasten.data.store.verify import verify as verify_store
    from hasten.report.terminal import Screen
    from hasten.report.terminal.progress import working

    with Screen() as screen:
        with working(screen.console, "checking", amount=nbytes) as moved:
            found = verify_store(destination, moved)
        for damage in found.damage:
            screen.say(_words(damage))
        if found.damage:
            raise BadInput(
                f"{destination} is damaged in {len(found.damage)} of {found.num_blocks} blocks. {way_out(destination)}"
            )
        screen.say(f"ok: {destination}, {found.num_blocks} blocks, {nbytes(found.nbytes)}")
        manifest = read_manifest(destination)
        source = manifest.source
        if source.num_files:
            change = source_changed(path_of(source), source)
            screen.say(f"source: {source.path}, {f'changed: {change}' if change else 'unchanged'}")
        screen.next(command_for(manifest.kind, destination))


def _words(damage: "Damage") -> str:
    what, (first, stop) = ("rows", damage.rows) if damage.samples is None else ("samples", damage.samples)
    block = "" if damage.block is None else f", block {damage.block}"
    return (
        f"damaged: {damage.file}{block}, bytes {damage.byte_range[0]} to {damage.byte_range[1] - 1}, {what} {first} to "
        f"{stop - 1}: expected {damage.expected}; found {damage.found}"
    )
