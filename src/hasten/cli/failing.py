"""How a command ends when it does not succeed: one message, and an exit code that a script can use."""

import functools
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec

import typer

from hasten.base.errors import BadInput, HastenError, Refused
from hasten.base.printable import printable

INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT
FAILED = 1
BAD_INPUT = 2

Parameters = ParamSpec("Parameters")

show_traceback: ContextVar[bool] = ContextVar("show_traceback", default=False)
"""Whether a failure shows where it came from; set by `--debug`."""


def ends_with_code(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Return the command with its errors as one message on standard error and an exit code.

    2 for what the caller must mend (`BadInput`, `Refused`), 130 for Ctrl-C, 1 for everything else.
    """

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            _tell("interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise  # whoever read the output has gone: typer ends quietly
        except HastenError as error:
            _tell(f"error: {error}")
            raise typer.Exit(BAD_INPUT if isinstance(error, BadInput | Refused) else FAILED) from error
        except Exception as error:
            hint = "" if show_traceback.get() else " Run with --debug for the traceback."
            _tell(f"error: {type(error).__name__}: {error}.{hint}")
            raise typer.Exit(FAILED) from error

    return wrapped


def _tell(message: str) -> None:
    if show_traceback.get():
        traceback.print_exc()
    typer.echo(printable(f"hasten: {message}"), err=True)
