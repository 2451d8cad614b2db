"""Processes that are started again after one of them failed go on with the run that they had begun.

`torchrun` and `hasten train --processes` start all processes again and say so in the environment:
`TORCHELASTIC_RESTART_COUNT` and `TORCHELASTIC_RUN_ID`. The first process notes in its run folder who started it.

A process that ran out of memory notes there how many samples at once fit into half of it, and asks who started it to
start all again: the others wait for it in a collective, where no message reaches them.
"""

import os
import platform
from pathlib import Path

from hasten.base.files import write_text
from hasten.training.checkpoint import is_saved
from hasten.training.processes import RENDEZVOUS, RESTARTS

GROUP = "TORCHELASTIC_RUN_ID"
STARTED_BY = Path(".started_by")
AT_ONCE = Path(".samples_at_once")
"""In a run folder: how many samples a process may compute at once, where more did not fit."""
_AGAIN = "again"


def note_starter(folder: Path) -> None:
    """Note in a new run folder by whom the processes that train there were started, if they may be started again."""
    if (starter := _starter()) is not None:
        write_text(folder / STARTED_BY, starter)


def begun_run(runs: Path) -> Path | None:
    """Return the newest run that these processes had begun before they were started again.

    One that was not saved is gone on with only where they ran out of memory, since that is noted in it.
    """
    starter = _starter()
    if starter is None or os.environ.get(RESTARTS, "0") == "0":
        return None
    begun = [note.parent for note in runs.glob(f"*/{STARTED_BY}") if note.read_text(encoding="utf-8") == starter]
    known = [run for run in begun if is_saved(run) or samples_at_once(run) is not None]
    return max(known, key=lambda run: run.name, default=None)


def samples_at_once(folder: Path) -> int | None:
    """Return how many samples the processes of a run may compute at once, where more did not fit."""
    path = folder / AT_ONCE
    return int(path.read_text(encoding="utf-8")) if path.exists() else None


def ask_for_less(folder: Path, samples: int, why: str) -> None:
    """Note in a run folder how many samples may be computed at once, and ask for all processes to be started again.

    Call it before the process leaves the others, whose errors would else be taken for the cause.

    Args:
        folder: of the run.
        samples: at once.
        why: what the starter says.
    """
    write_text(folder / AT_ONCE, str(samples))
    if (place := os.environ.get(RENDEZVOUS)) is not None:
        write_text(Path(place).with_name(_AGAIN), why)


def asked_to_start_again(rendezvous: Path) -> str | None:
    """Return why the processes that met in a file ask to be started again, or None where none does."""
    path = rendezvous.with_name(_AGAIN)
    return path.read_text(encoding="utf-8") if path.exists() else None


def _starter() -> str | None:
    """Return what is the same for the processes of a node however often they are started, and for no others."""
    group = os.environ.get(GROUP)
    return None if group is None else f"{group} {platform.node()} {os.getppid()}"
