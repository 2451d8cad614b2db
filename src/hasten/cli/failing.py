"""How a command fails: one message on standard error, and an exit code for scripts."""

import functools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from typing import ParamSpec

import typer

from hasten.base.errors import BadInput, HastenError, Interrupted, OthersGone, Refused
from hasten.base.printable import printable
from hasten.base.user_code import location_of, message_of, sample_of, user_location
from hasten.cli.json_output import json_only
from hasten.cli.starter import is_first_to_say, not_said_elsewhere

INTERRUPTED = 130  # as in a shell: 128 + SIGINT
FAILED = 1
BAD_INPUT = 2
LEFT_ALONE = 75
"""Of one of several processes, where another one has ended: who started them reports the code of that one."""
_PAUSE_S = 1.0  # in which the process that failed says why

Parameters = ParamSpec("Parameters")

show_traceback: ContextVar[bool] = ContextVar("show_traceback", default=False)
"""Whether a failure prints its traceback; set by `--debug`."""


def ends_with_code(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Return the command with its errors as one message on standard error and an exit code.

    2 for input that the caller must fix (`BadInput`, `Refused`), 130 for Ctrl-C, 1 for everything else, but for one of
    several processes that another one left alone (`LEFT_ALONE`). A reader of standard output that has gone (`| head`)
    is no failure.
    """

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            with json_only() if kwargs.get("as_json") else nullcontext():
                command(*args, **kwargs)
        except typer.Exit:
            raise
        except Interrupted as error:
            _tell(str(error))
            _exit(128 + error.signal_number)
        except KeyboardInterrupt as interrupt:
            _tell(" ".join(["interrupted.", *getattr(interrupt, "__notes__", ())]))
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # of what a command writes itself; the screen drops its own
            from hasten.report.terminal.output import drop_output

            drop_output()
        except OthersGone as error:
            time.sleep(_PAUSE_S)
            if not_said_elsewhere():
                _tell(str(error))
            raise typer.Exit(LEFT_ALONE) from error
        except HastenError as error:
            _tell(" ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
            raise typer.Exit(BAD_INPUT if isinstance(error, BadInput | Refused) else FAILED) from error
        except SystemExit as error:  # hasten itself raises `typer.Exit`
            _tell(f"error: code of the task called sys.exit({error.code!r}) at {location_of(error)}.")
            raise typer.Exit(FAILED) from error
        except Exception as error:
            hint = "" if show_traceback.get() else " Run with --debug for the traceback."
            where = f", raised at {found}" if (found := user_location(error)) else ""
            sample = "" if (index := sample_of(error)) is None else f", sample {index}"
            _tell(f"error: {message_of(error)}{where}{sample}.{hint}")
            raise typer.Exit(FAILED) from error

    return wrapped


def _exit(code: int) -> None:
    """Exit, also where a thread of a data loader hangs, for which Python would wait without end."""
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def _tell(message: str) -> None:
    """Say it on standard error; of several processes that all say the same, the first one does."""
    if not is_first_to_say(message):
        return
    if show_traceback.get():
        traceback.print_exc()
    typer.echo(f"hasten: {printable(message)}", err=True)
