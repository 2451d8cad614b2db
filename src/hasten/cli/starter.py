"""What processes that were started together have from who started them: when it is gone, and where they meet.

A process that is killed cannot end those that it has started. So it gives them the end of a pipe to read from, into
which nobody writes: whatever ends the starter closes the other end.
"""

import os
import signal
import threading
from hashlib import sha256
from pathlib import Path

STARTER = "HASTEN_STARTER"
"""Environment variable with the number of the file that ends when the starter does."""
_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
"""Of `torchrun`: a file in a folder for each process, which are in one for each attempt."""


def end_with_starter() -> None:
    """From now on end as by SIGTERM when the process that started this one has ended; nothing where none says so."""
    if (number := os.environ.get(STARTER)) is None:
        return

    def wait() -> None:
        os.read(int(number), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="starter").start()


def is_first_to_say(text: str) -> bool:
    """Return whether no other of the processes that were started together on this machine has said the same."""
    if (folder := _common_folder()) is None:
        return True
    try:
        (folder / f"said-{sha256(text.encode()).hexdigest()[:16]}").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # the folder has gone with the starter
        return True
    return True


def not_said_elsewhere() -> bool:
    """Return whether a process that others left alone has to say so: the first one, which knows what is saved, does.

    Another one does if nothing was said by the processes of this machine.
    """
    folder = _common_folder()
    return os.environ.get("RANK", "0") == "0" or folder is None or not any(folder.glob("said-*"))


def _common_folder() -> Path | None:
    """Return a folder that the processes of one start share, None for one that was started alone."""
    if "RANK" not in os.environ:
        return None
    from hasten.training.processes import RENDEZVOUS

    if (rendezvous := os.environ.get(RENDEZVOUS)) is not None:
        return Path(rendezvous).parent
    if (error_file := os.environ.get(_ERROR_FILE)) is not None:
        return Path(error_file).parent.parent
    return None
