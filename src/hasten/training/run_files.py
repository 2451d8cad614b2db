"""Whether the files of a run are those that were written."""

from pathlib import Path
from typing import NamedTuple

from hasten.base.checksums import check_checksum, checksum_path
from hasten.base.errors import BadInput
from hasten.base.records.run import Finished
from hasten.training.checkpoint import previous
from hasten.training.checkpoint_file import check_checkpoint, read_checkpoint
from hasten.training.checkpoint_parts import damage_of, parts_of
from hasten.training.run_folder import (
    BEST_WEIGHTS,
    CHECKPOINT,
    EVIDENCE,
    HEALTH,
    METRICS,
    NON_FINITE,
    WEIGHTS,
    read_events,
)


class Checked(NamedTuple):
    """Names of the files that are whole and of those that have no checksum, and what is wrong with the others."""

    whole: list[str]
    unknown: list[str]
    damage: list[str]


def check_files(folder: Path) -> Checked:
    """Check every file of a run folder that hasten reads back and nobody edits; those that are not there are left out.

    The plan and the script are for people to edit, the report is made again from the evidence: they have no checksum.
    Those of files that an earlier version wrote can be missing.
    """
    checked = Checked([], [], [])
    for name in (CHECKPOINT, previous(CHECKPOINT), NON_FINITE, WEIGHTS, BEST_WEIGHTS, EVIDENCE, HEALTH):
        path, checks_itself = folder / name, name.suffix == CHECKPOINT.suffix
        if not path.is_file():
            continue
        try:
            (check_checkpoint if checks_itself else check_checksum)(path)
        except BadInput as error:
            checked.damage.append(str(error))
            continue
        known = checks_itself or checksum_path(path).is_file()
        (checked.whole if known else checked.unknown).append(str(name))
        if checks_itself:
            _check_parts(path, folder, checked)
    events, damaged_lines = read_events(folder)
    if (folder / WEIGHTS).is_file() and not any(isinstance(event, Finished) for event in events[-1:]):
        damaged_lines.append(f"{folder / METRICS} ends before the run did: it was cut off.")
    checked.damage.extend(damaged_lines)
    if not damaged_lines and (folder / METRICS).is_file():
        checked.whole.append(str(METRICS))
    return checked


def _check_parts(path: Path, folder: Path, checked: Checked) -> None:
    """Check the parts of a checkpoint that is whole itself."""
    try:
        parts = parts_of(read_checkpoint(path), path)
    except BadInput as error:
        checked.damage.append(str(error))
        return
    if parts is not None:
        wrong = damage_of(parts, path)
        checked.damage.extend(wrong.values())
        checked.whole.extend(str(file.relative_to(folder)) for file in parts.files(path) if file not in wrong)
