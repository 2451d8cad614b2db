"""The same command in several processes of this machine, which find each other by what is in their environment."""

import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from hasten.base.errors import BadInput
from hasten.base.units import plural
from hasten.cli.failing import FAILED, LEFT_ALONE
from hasten.cli.starter import STARTER
from hasten.machine.facts import usable_cores
from hasten.training.processes import RENDEZVOUS, RESTARTS
from hasten.training.restarts import GROUP, asked_to_start_again

MOST_PER_CORE = 4
"""Processes for each core at most: each takes hundreds of megabytes, and more than one are no faster."""
_FINAL = frozenset({0, 2, 130, 143})  # it has ended; bad input, which stays bad; interrupted
_POLL_S = 0.1
_GRACE_S = 30.0


def started_together() -> bool:
    """Return whether this process is one of several."""
    return "RANK" in os.environ


def run_together(words: Sequence[str], size: int, *, restarts: int = 0) -> int:
    """Run a `hasten` command in `size` processes and return the exit code: that of the first that fails, else 0.

    SIGINT and SIGTERM are passed on, once each: the processes end after the step, as they do when this one is killed.
    When one fails, the others, which would wait for it, are ended. Where one ran out of memory all are started again,
    with fewer samples at once.

    Args:
        words: of the command, without `hasten`.
        size: number of processes; each gets its part of the cores.
        restarts: how often all are started again after one has failed; they go on from their last checkpoint.

    Raises:
        BadInput: if there are more than four processes for each core.
    """
    cores = usable_cores()
    if size > MOST_PER_CORE * cores:
        raise BadInput(
            f"{size} processes are too many for {plural(cores, 'core')}: start {MOST_PER_CORE * cores} at most. "
            "One for each core or GPU is the fastest."
        )
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
    threads = str(max(1, usable_cores() // size))
    with tempfile.TemporaryDirectory(prefix="hasten-") as folder, _lives_as_long() as lives:
        rendezvous = Path(folder) / "rendezvous"
        common = {
            "OMP_NUM_THREADS": threads,
            "GLOO_SOCKET_IFNAME": "lo",
            **os.environ,
            **about,
            "WORLD_SIZE": str(size),
            RENDEZVOUS: str(rendezvous),
            STARTER: str(lives),
        }
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "hasten", *words],
                env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                start_new_session=True,
                pass_fds=(lives,),
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


@contextmanager
def _lives_as_long() -> Generator[int]:
    """Give what can be read from, and ends when this process does, however it does; see `hasten.cli.starter`."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


def _ended(started: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all; when one fails, end the others. One that was left alone can end before the one that failed."""
    end = math.inf
    while True:
        codes = [process.poll() for process in started]
        over = None not in codes
        if any(codes):
            rank, code = failed_first(codes)
            end = min(end, time.monotonic() + (_GRACE_S if code == LEFT_ALONE else 0.0))
            if over or time.monotonic() >= end:
                if code not in _FINAL:  # those have said why
                    others = "" if over else "; ending the others"
                    typer.echo(f"process {rank} of {len(started)} {_how(code)}{others}.", err=True)
                _end(started)
                return _exit_code(code)
        elif over:
            return 0
        time.sleep(_POLL_S)


def failed_first(codes: Sequence[int | None]) -> tuple[int, int]:
    """Return the number and the exit code of the process that failed, not of one that another one left alone.

    Args:
        codes: of all processes, negative where a signal ended one, None while it runs; one is not zero.
    """
    failed = [(rank, code) for rank, code in enumerate(codes) if code]
    return min(failed, key=lambda one: (one[1] == LEFT_ALONE, one[1] > 0, one[0]))


def _how(code: int) -> str:
    """Return how a process ended; the kernel kills one where memory runs out."""
    return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"


def _exit_code(code: int) -> int:
    """Return what a shell reports: 128 + the number of the signal that ended a process."""
    if code == LEFT_ALONE:
        return FAILED
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
