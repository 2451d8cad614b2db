"""The folder of one run: `runs/<task>-<time>/` with its plan, metrics, checkpoints and evidence."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.run import Event

CHECKPOINT = Path("checkpoints") / "last.pt"
WEIGHTS = Path("checkpoints") / "model.safetensors"
METRICS = Path("metrics.jsonl")
PLAN = Path("plan.toml")
MACHINE = Path("machine.json")
EVIDENCE = Path("evidence.json")
REPORT = Path("report.html")


def make_run_folder(runs: Path, task: str, now: datetime) -> Path:
    """Make a new folder `runs/<task>-<time>` and return it; an existing one is never reused.

    Raises:
        BadInput: if it cannot be made or written.
    """
    stem = f"{task}-{now:%Y%m%d-%H%M%S}"
    for attempt in range(100):
        folder = runs / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
        try:
            (folder / CHECKPOINT.parent).mkdir(parents=True, exist_ok=False)
        except FileExistsError as error:
            if not folder.is_dir():
                raise _unwritable(folder, error) from error
            continue
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder
    raise BadInput(f"{runs} must have room for a folder {stem}; found a hundred of that name already.")


def append_event(folder: Path, event: Event) -> None:
    """Add one event to the run's metrics, as one line of JSON.

    Raises:
        BadInput: if the line cannot be written (disk full, folder gone).
    """
    try:
        with (folder / METRICS).open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")
    except OSError as error:
        raise _unwritable(folder / METRICS, error) from error


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the events of a run; a last line that was cut off in the middle is left out."""
    path = folder / METRICS
    if not path.exists():
        return
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            yield msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError as error:
            raise BadInput(f"{path}, line {number}: must be an event of a run; found: {error}.") from error


def forget_after(folder: Path, step: int) -> None:
    """Drop the events past `step`, which a run that goes on from a checkpoint will make again.

    Raises:
        BadInput: if they cannot be written; the old ones are then still there.
    """
    path = folder / METRICS
    kept = [event for event in read_events(folder) if event.step <= step]
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in kept)
    write_atomically(path, lambda file: file.write(lines))


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"the run folder {path} must be writable; found: {error.strerror}. "
        "Free some space or choose another position with --runs DIR. Existing runs are untouched."
    )
