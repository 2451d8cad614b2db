"""Standard output, with a usable width, that may be closed by its reader."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hasten.base.printable import printable

_NARROWEST = 20
_USUAL_WIDTH = 80


class Output(Console):
    """A console on standard output; when its reader has gone (`| head`), the rest is dropped and the work goes on.

    Control characters in what it prints are escaped, so that text from data cannot drive the terminal.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable; those that rich itself makes to control the terminal stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Drop what is printed from now on: a training that nobody watches is still saved."""
        drop_output()


def standard_output(**options: Any) -> Console:
    """Return a console on standard output, 80 columns wide where the terminal does not say (`COLUMNS=0`)."""
    console = Output(highlight=False, **options)
    if console.width < _NARROWEST:
        console.width = _USUAL_WIDTH
    return console


def drop_output() -> None:
    """Let standard output go to nowhere, so that no later write or flush fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
