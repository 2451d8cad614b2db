"""Ctrl-C and termination: the first signal ends the run after its step, the second at once."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from hasten.base.errors import Interrupted
from hasten.training.session import Session

GRACE_S = 2.0
"""Time that a second SIGTERM leaves for leaving in order; a thread that hangs would hold the process up for ever."""


@contextmanager
def ends_cleanly(run: Session, saved: Callable[[], str]) -> Generator[None]:
    """Let SIGINT and SIGTERM end the run after the current step, or at once when one comes again.

    Outside the main thread, where Python delivers no signals, nothing is installed.

    Args:
        run: what to end.
        saved: says what is saved so far, for the message of an end at once.

    Raises:
        Interrupted: at the second signal, from wherever the run is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watchdogs: list[threading.Timer] = []

    def note(number: int, frame: FrameType | None) -> None:
        if run.interrupted_by is None:
            run.interrupted_by = number
            return
        if number == signal.SIGTERM:
            watchdogs.append(_exit_after_grace(number, saved()))
        raise Interrupted(number, saved())

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for watchdog in watchdogs:
            watchdog.cancel()


def _exit_after_grace(number: int, saved: str) -> threading.Timer:
    def leave() -> None:
        os.write(2, f"hasten: interrupted at once. {saved}\n".encode())
        os._exit(128 + number)

    watchdog = threading.Timer(GRACE_S, leave)
    watchdog.daemon = True
    watchdog.start()
    return watchdog
