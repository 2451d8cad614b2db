"""Where in a person's own code an error was raised, and on which sample."""

import re
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

_NOT_THEIRS = (
    str(Path(__file__).resolve().parents[1]),  # hasten itself
    sysconfig.get_paths()["purelib"],
    sysconfig.get_paths()["platlib"],
    sysconfig.get_paths()["stdlib"],
    "<frozen",  # the import machinery
    "<string>",  # what a library has generated
)
_REMOTE_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def location_of(error: BaseException) -> str:
    """Return `file:line` where an error was raised: of the person's own code if any of it is involved."""
    return user_location(error) or next((f"{file}:{line}" for file, line in reversed(_frames(error))), "")


def user_location(error: BaseException) -> str:
    """Return `file:line` of the innermost frame in the person's own code, or an empty string."""
    return next((f"{file}:{line}" for file, line in reversed(_frames(error)) if is_theirs(file)), "")


def _frames(error: BaseException) -> list[tuple[str, object]]:
    """Return file and line of each frame; those of an error in a `DataLoader` worker are text in its message."""
    if remote := [(found["file"], found["line"]) for found in _REMOTE_FRAME.finditer(str(error))]:
        return list[tuple[str, object]](remote)
    return [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]


def message_of(error: BaseException) -> str:
    """Return the type of an error and the first line of what it says; of a worker's error, those of its cause."""
    text = str(error).strip()
    if "Original Traceback" in text:
        return text.splitlines()[-1]
    first = text.split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def sample_of(error: BaseException) -> object | None:
    """Return the index that the person's `__getitem__` failed on, or None if the error came from elsewhere."""
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frame, code = trace.tb_frame, trace.tb_frame.f_code
        if code.co_name in ("__getitem__", "__getitems__") and code.co_argcount > 1 and is_theirs(code.co_filename):
            found = frame.f_locals.get(code.co_varnames[1], found)
        trace = trace.tb_next
    return found


def is_theirs(file: str) -> bool:
    """Return whether a file of code is the person's own: not of Python, of an installed package or of hasten."""
    return not file.startswith(_NOT_THEIRS)
