"""Ctrl-C and termination: finish the step, then end cleanly."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from hasten.training.session import Session


@contextmanager
def ends_cleanly(run: Session) -> Generator[None]:
    """Let SIGINT and SIGTERM end the run after the current step; a second SIGINT interrupts at once.

    Outside the main thread, where Python delivers no signals, nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        if run.interrupted_by is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.interrupted_by = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
