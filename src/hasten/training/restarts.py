"""Processes that are started again after one of them failed go on with the run that they had begun.

`torchrun` and `hasten train --processes --restarts` start all processes again and say so in the environment:
`TORCHELASTIC_RESTART_COUNT` and `TORCHELASTIC_RUN_ID`. The first process notes in its run folder who started it.
"""

import os
import platform
from pathlib import Path

from hasten.base.files import write_text
from hasten.training.checkpoint import previous
from hasten.training.processes import RESTARTS
from hasten.training.run_folder import CHECKPOINT

GROUP = "TORCHELASTIC_RUN_ID"
STARTED_BY = Path(".started_by")


def note_starter(folder: Path) -> None:
    """Note in a new run folder by whom the processes that train there were started, if they may be started again."""
    if (starter := _starter()) is not None:
        write_text(folder / STARTED_BY, starter)


def begun_run(runs: Path) -> Path | None:
    """Return the newest run that these processes had begun and saved before they were started again."""
    starter = _starter()
    if starter is None or os.environ.get(RESTARTS, "0") == "0":
        return None
    begun = [note.parent for note in runs.glob(f"*/{STARTED_BY}") if note.read_text(encoding="utf-8") == starter]
    saved = [run for run in begun if (run / CHECKPOINT).exists() or previous(run / CHECKPOINT).exists()]
    return max(saved, key=lambda run: run.name, default=None)


def _starter() -> str | None:
    """Return what is the same for the processes of a node however often they are started, and for no others."""
    group = os.environ.get(GROUP)
    return None if group is None else f"{group} {platform.node()} {os.getppid()}"
