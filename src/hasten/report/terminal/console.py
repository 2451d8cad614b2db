"""The console that everything on the terminal goes through."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hasten.base.printable import printable


class SafeConsole(Console):
    """A console that escapes control characters in what it prints: text from data cannot drive the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable; those that rich itself makes to control the terminal stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
