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
)
_REMOTE_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def location_of(error: BaseException) -> str:
    """Return `file:line` of the innermost frame in the person's code; of all frames where none is theirs; or ''.

    Errors of a `DataLoader` worker have their frames as text only, which is read.
    """
    remote = [(one["file"], one["line"]) for one in _REMOTE_FRAME.finditer(str(error))]
    frames = remote or [(one.filename, one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    theirs = [frame for frame in frames if _is_theirs(frame[0])]
    return "{}:{}".format(*(theirs or frames)[-1]) if frames else ""


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
        if code.co_name in ("__getitem__", "__getitems__") and code.co_argcount > 1 and _is_theirs(code.co_filename):
            found = frame.f_locals.get(code.co_varnames[1], found)
        trace = trace.tb_next
    return found


def _is_theirs(file: str) -> bool:
    return not file.startswith(_NOT_THEIRS)
