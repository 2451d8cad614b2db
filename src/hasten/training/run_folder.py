"""The folder of one run: `runs/<task>-<time>/` with its plan, metrics, checkpoints and evidence."""

import fcntl
import re
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from hasten.base.checksums import check_checksum, checksum_path, write_with_checksum
from hasten.base.errors import BadInput
from hasten.base.files import remove_leftovers, write_atomically
from hasten.base.records.health import Health
from hasten.base.records.record import load_exact
from hasten.base.records.run import Evaluation, Event, Finished

CHECKPOINT = Path("checkpoints") / "last.pt"
NON_FINITE = Path("checkpoints") / "non_finite.pt"
"""The state of a run that diverged, for a look at it; nothing resumes from it."""
WEIGHTS = Path("checkpoints") / "model.safetensors"
BEST_WEIGHTS = Path("checkpoints") / "best.safetensors"
"""The weights of the best evaluation, where the run ends with others."""
LOCK = Path(".lock")
METRICS = Path("metrics.jsonl")
PLAN = Path("plan.toml")
SCRIPT = Path("train.py")
"""The run as a plain PyTorch script."""
MACHINE = Path("machine.json")
EVIDENCE = Path("evidence.json")
REPORT = Path("report.html")
REPORT_TEXT, REPORT_DATA = Path("report.md"), Path("report.json")
"""The same report for terminals and for programs."""
HEALTH = Path("health.msgpack")
"""What the doctor saw of the training; MessagePack keeps numbers that are not finite."""
_CHECKSUM = re.compile(rb',"crc32":(\d+)}$')  # at the end of a line of the metrics


def is_run_folder(path: Path) -> bool:
    """Return whether a path is the folder of a run."""
    return (
        path.is_dir()
        and (path / CHECKPOINT.parent).is_dir()
        and ((path / METRICS).is_file() or (path / PLAN).is_file())
    )


def check_run_folder(path: Path, advice: str) -> None:
    """Raise `BadInput`, with advice that an example completes, unless a path is the folder of a run."""
    if not is_run_folder(path):
        found = "no such folder" if not path.is_dir() else "not the folder of a run"
        raise BadInput(f"{path}: {found}. {advice}, such as runs/digits-20260101-120000.")


def make_run_folder(runs: Path, task: str, now: datetime) -> Path:
    """Create a new folder `runs/<task>-<time>` and return it; an existing one is never reused.

    Raises:
        BadInput: if it cannot be created.
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
            raise _unwritable(runs, error) from error
        return folder
    raise BadInput(f"{runs} already has 100 folders named {stem}-N. Choose another folder with --runs DIR.")


def append_event(folder: Path, event: Event) -> None:
    """Add one event to the run's metrics, as one line of JSON with the CRC-32 of the rest of it.

    Raises:
        BadInput: if the line cannot be written (disk full, folder gone).
    """
    try:
        with (folder / METRICS).open("ab") as file:
            file.write(_line(event))
    except OSError as error:
        raise _unwritable(folder / METRICS, error) from error


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the run folder for this process alone; the operating system lets go of it however the process ends.

    Raises:
        BadInput: if another process trains in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(
                f"{folder} is in use: another process is training in it. Wait for it to end, or stop it first."
            ) from error
        except OSError as error:
            raise BadInput(
                f"cannot lock {folder}: {error.strerror}. Choose a file system with locks (--runs DIR)."
            ) from error
        yield


def write_health(folder: Path, health: Health) -> None:
    """Keep what the doctor saw of a run.

    Raises:
        BadInput: if it cannot be written.
    """
    write_with_checksum(folder / HEALTH, lambda file: file.write(msgspec.msgpack.encode(health)))


def read_health(folder: Path) -> Health:
    """Return what the doctor saw of a run.

    Raises:
        BadInput: if the run recorded nothing, or the file is damaged; with its name.
    """
    if not (folder / HEALTH).is_file():
        raise BadInput(
            f"{folder} has no record of its health: the run was trained without --diagnose. "
            "Train with: hasten train TASK --diagnose. Or look at the task now: hasten diagnose TASK"
        )
    check_checksum(folder / HEALTH)
    return load_exact(Health, folder / HEALTH)


def clean_up(folder: Path) -> None:
    """Delete the temporary files of saves that were killed; the caller holds the lock."""
    for file in (
        CHECKPOINT,
        NON_FINITE,
        WEIGHTS,
        BEST_WEIGHTS,
        METRICS,
        PLAN,
        SCRIPT,
        MACHINE,
        EVIDENCE,
        REPORT,
        REPORT_TEXT,
        REPORT_DATA,
        HEALTH,
    ):
        remove_leftovers(folder / file)
        remove_leftovers(checksum_path(folder / file))


def read_events(folder: Path) -> tuple[list[Event], list[str]]:
    """Return the events of a run, and what is wrong with each line that is none; such lines are left out.

    A last line without its end was cut off while it was written, and is left out without a word.
    """
    path, events, damaged = folder / METRICS, list[Event](), list[str]()
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            events.append(_event(line))
        except ValueError as error:  # those of msgspec and of unicode are such
            damaged.append(f"{path}, line {number} is not an event of a run ({error}); it was dropped.")
    return events, damaged


def _line(event: Event) -> bytes:
    """Return an event as a line of the metrics."""
    content = msgspec.json.encode(event)
    return b'%s,"crc32":%d}\n' % (content[:-1], zlib.crc32(content))


def _event(line: bytes) -> Event:
    """Return the event in a line; those of an earlier version have no checksum.

    Raises:
        ValueError: if it is none, or its checksum is another.
    """
    found = _CHECKSUM.search(line)
    content = line if found is None else line[: found.start()] + b"}"
    if found is not None and zlib.crc32(content) != int(found[1]):
        raise ValueError("its checksum is another")
    return msgspec.json.decode(content, type=Event)


def staying(events: Sequence[Event], step: int, *, evaluation_pending: bool) -> list[Event]:
    """Return the events that a run which resumes from `step` will not make again; see `keep_until`."""

    def stays(event: Event) -> bool:
        again = evaluation_pending and isinstance(event, Evaluation | Finished)
        return event.step < step or (event.step == step and not again)

    return [event for event in events if stays(event)]


def keep_until(folder: Path, step: int, *, evaluation_pending: bool) -> tuple[list[Event], list[str]]:
    """Drop the events that a run which resumes from a checkpoint of `step` will make again, and return the others.

    Args:
        folder: of the run.
        step: of the checkpoint.
        evaluation_pending: whether the evaluation of that step is still to be made.

    Returns:
        The events that stay, and what was wrong with lines that are dropped because they are damaged.

    Raises:
        BadInput: if they cannot be written; the old ones are then still there.
    """
    events, damaged = read_events(folder)
    kept = staying(events, step, evaluation_pending=evaluation_pending)
    lines = b"".join(map(_line, kept))
    write_atomically(folder / METRICS, lambda file: file.write(lines))
    return kept, damaged


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"cannot write the run folder {path}: {error.strerror}. Existing runs are unchanged. "
        "Free some space or choose another folder with --runs DIR."
    )
