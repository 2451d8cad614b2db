"""Another process for a test: a fork of this one, which has torch already, so that it starts at once."""

import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import NoReturn


class Forked:
    """A running fork, with its output and its error output as text files to read."""

    def __init__(self, function: Callable[[], object]) -> None:
        out, err = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads; those here hold no lock
            self.pid = os.fork()
        if self.pid == 0:
            _become(function, out[1], err[1])
        os.close(out[1])
        os.close(err[1])
        self.stdout, self.stderr = os.fdopen(out[0]), os.fdopen(err[0])
        self.returncode: int | None = None

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self.stdout.close()
        self.stderr.close()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that killed it, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout_s: float = 60.0) -> int:
        """Return the exit code.

        Raises:
            TimeoutError: if the process still runs after so many seconds.
        """
        end = time.monotonic() + timeout_s
        while self.poll() is None:
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.pid} still runs after {timeout_s} s")
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode


def _become(function: Callable[[], object], out: int, err: int) -> NoReturn:
    """Run the function as a program does: with default signals, its own output, and an exit code."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        try:
            function()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:  # noqa: BLE001  (whatever ends a program, it prints)
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
