"""Work of a known size on the terminal: a bar with the rate and the time left, or now and then a line."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hasten.base.units import percent

_BAR = 30
_REDRAW_EVERY_S = 0.1
_PLAIN_EVERY_S = 5.0

Moved = Callable[[int, int], None]
"""Called with (what is done, what there is in all)."""


@contextmanager
def working(
    console: Console, what: str, *, amount: Callable[[float], str], clock: Callable[[], float] = perf_counter
) -> Generator[Moved, None, None]:
    """Show how far some work has come; yields the function to call on the way.

    On a terminal one line moves and is gone at the end. Elsewhere a line comes every 5 seconds.

    Args:
        console: where.
        what: the work, as a word: "packing".
        amount: an amount of what is worked on as text; also used for the rate per second.
        clock: seconds since some moment.
    """
    line = WorkLine(what, amount)
    shown_at = clock() if not console.is_terminal else -math.inf
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def moved(done: int, total: int) -> None:
        nonlocal shown_at
        now = clock()
        line.see(done, total, now)
        if now - shown_at < (_REDRAW_EVERY_S if live else _PLAIN_EVERY_S):
            return
        shown_at = now
        if live is None:
            console.print(line.plain(), soft_wrap=True)
        else:
            live.start()
            live.update(line.text(), refresh=True)

    try:
        yield moved
    finally:
        if live is not None:
            live.stop()


class WorkLine:
    """How far some work has come, as one line of text.

    The rate counts from the first time that it is seen: what an earlier call has done says nothing about this one.
    """

    def __init__(self, what: str, amount: Callable[[float], str]) -> None:
        self._what = what
        self._amount = amount
        self._first: tuple[int, float] | None = None
        self._done, self._total, self._now_s = 0, 0, 0.0

    def see(self, done: int, total: int, now_s: float) -> None:
        """Take note of how far it is."""
        self._first = self._first or (done, now_s)
        self._done, self._total, self._now_s = done, total, now_s

    def text(self) -> Text:
        """Return the line with a bar."""
        filled = min(_BAR, _BAR * self._done // max(1, self._total))
        bar = (("━" * filled, "blue"), ("━" * (_BAR - filled), "dim"))
        return Text.assemble(f"  {self._what}  ", *bar, f"  {self._words()}")

    def plain(self) -> str:
        """Return the line without a bar."""
        return f"{self._what}: {self._words()}"

    def _words(self) -> str:
        share = percent(self._done / self._total) if self._total else ""
        return "  ".join(
            word for word in (share, f"{self._amount(self._done)} of {self._amount(self._total)}", self._pace()) if word
        )

    def _pace(self) -> str:
        first, start_s = self._first or (0, 0.0)
        if self._done == first or self._now_s <= start_s:
            return ""
        rate = (self._done - first) / (self._now_s - start_s)
        left_s = math.ceil((self._total - self._done) / rate)
        return f"{self._amount(rate)}/s  {left_s // 60}:{left_s % 60:02d} left"
