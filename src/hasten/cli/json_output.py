"""`--json`: standard output holds the record and nothing else."""

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TextIO

from hasten.base.records.record import Record, to_json

_output: ContextVar[TextIO | None] = ContextVar("json_output", default=None)


@contextmanager
def json_only() -> Generator[None]:
    """Send what code of the task prints to standard error."""
    token = _output.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _output.reset(token)


def write_json(record: Record) -> None:
    """Write a record to standard output."""
    (_output.get() or sys.stdout).write(to_json(record).decode())
