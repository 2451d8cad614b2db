"""The same command in several processes of this machine, which find each other by what is in their environment."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import typer

from hasten.training.processes import RENDEZVOUS, RESTARTS
from hasten.training.restarts import GROUP, asked_to_start_again

_FINAL = frozenset({0, 2, 130, 143})  # it has ended; bad input, which stays bad; interrupted
_POLL_S = 0.1
_GRACE_S = 30.0


def started_together() -> bool:
    """Return whether this process is one of several."""
    return "RANK" in os.environ


def run_together(words: Sequence[str], size: int, *, restarts: int = 0) -> int:
    """Run a `hasten` command in `size` processes and return the exit code: that of the first that fails, else 0.

    SIGINT and SIGTERM are passed on, once each: the processes end after the step. When one fails, the others, which
    would wait for it, are ended. Where one ran out of memory all are started again, with fewer samples at once.

    Args:
        words: of the command, without `hasten`.
        size: number of processes; each gets its part of the cores.
        restarts: how often all are started again after one has failed; they go on from their last checkpoint.
    """
    group = secrets.token_hex(8)
    attempt = failed = 0
    while True:
        code, why = _run_once(words, size, {GROUP: group, RESTARTS: str(attempt)})
        if why is None:
            if code in _FINAL or failed == restarts:
                return code
            failed += 1
            why = f"{failed} of {restarts} times"
        attempt += 1
        typer.echo(f"starting all {size} again from the last checkpoint ({why}).", err=True)


def _run_once(words: Sequence[str], size: int, about: Mapping[str, str]) -> tuple[int, str | None]:
    """Start the processes, with `about` in their environment.

    Returns:
        The exit code, and why one of them asked for all to be started again.
    """
    threads = str(max(1, (os.cpu_count() or 1) // size))
    with tempfile.TemporaryDirectory(prefix="hasten-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        common = {
            "OMP_NUM_THREADS": threads,
            "GLOO_SOCKET_IFNAME": "lo",
            **os.environ,
            **about,
            "WORLD_SIZE": str(size),
            RENDEZVOUS: str(rendezvous),
        }
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "hasten", *words],
                env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                start_new_session=True,
            )
            for rank in range(size)
        ]

        def passed_on(number: int, frame: FrameType | None) -> None:
            for process in started:
                process.send_signal(number)

        before = {number: signal.signal(number, passed_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return _ended(started), asked_to_start_again(rendezvous)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for process in started:
                process.kill()


def _ended(started: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all; when one fails, end the others."""
    while (codes := [process.poll() for process in started]) and None in codes:
        if failed := [(rank, code) for rank, code in enumerate(codes) if code]:
            rank, code = failed[0]
            typer.echo(f"process {rank} of {len(started)} ended with exit code {code}; ending the others.", err=True)
            _end(started)
            return _exit_code(code)
        time.sleep(_POLL_S)
    return next((_exit_code(code) for code in codes if code), 0)


def _exit_code(code: int) -> int:
    """Return what a shell reports: 128 + the number of the signal that ended a process."""
    return code if code > 0 else 128 - code


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.terminate()
    end = time.monotonic() + _GRACE_S
    for process in started:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
