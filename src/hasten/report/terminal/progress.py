"""Progress bars: rich draws them on a terminal; elsewhere a line comes every few seconds."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn

from hasten.base.units import percent

REDRAW_EVERY_S = 0.4
REDRAW_SHARE = 0.005
"""Share of the time that drawing may take: a drawing of 5 ms is made once a second."""
PLAIN_EVERY_S = 5.0
"""Where lines cannot be drawn over, each one stays, so there are few."""

Moved = Callable[[int, int], None]
"""Called with (done, total)."""


def progress_of(
    console: Console, *columns: ProgressColumn, clock: Callable[[], float], what: str = "", bar: int = 30
) -> Progress:
    """Return a progress bar between the name of the work and these columns; it is drawn only on `refresh`."""
    return Progress(
        *([TextColumn(what, markup=False)] if what else []),
        BarColumn(bar_width=bar),
        *columns,
        TimeRemainingColumn(compact=True),
        console=console,
        auto_refresh=False,
        transient=True,
        get_time=clock,
    )


def field(name: str) -> TextColumn:
    """Return a column that shows a field of the task."""
    return TextColumn(f"{{task.fields[{name}]}}", markup=False)


def time_left(task: Task) -> str:
    """Return the time left as "0:27 left", or "" where it is not known."""
    if task.time_remaining is None:
        return ""
    left_s = int(task.time_remaining)
    return f"{left_s // 60}:{left_s % 60:02d} left"


@contextmanager
def working(
    console: Console, what: str, *, amount: Callable[[float], str], clock: Callable[[], float] = perf_counter
) -> Generator[Moved]:
    """Show the progress of some work; yield the function to call on the way.

    On a terminal one line moves and is erased at the end. Elsewhere a line comes every 5 seconds.

    Args:
        console: where.
        what: the work: "packing".
        amount: formats an amount of what is worked on; also used for the rate per second.
        clock: seconds since some moment.
    """
    every_s = REDRAW_EVERY_S if console.is_terminal else PLAIN_EVERY_S
    shown_at = clock() - (every_s if console.is_terminal else 0.0)
    progress = progress_of(console, field("words"), clock=clock, what=f"  {what}")
    task_id = progress.add_task(what, total=None, words="")
    task = progress.tasks[task_id]

    def moved(done: int, total: int) -> None:
        nonlocal shown_at
        progress.update(task_id, completed=done, total=total)
        share = f"{percent(done / total)}  " if total else ""
        rate = f"  {amount(task.speed)}/s" if task.speed else ""
        words = f"{share}{amount(done)} of {amount(total)}{rate}"
        progress.update(task_id, words=words)
        now = clock()
        if now - shown_at < every_s:
            return
        shown_at = now
        if console.is_terminal:
            progress.start()
            progress.refresh()
        else:
            left = time_left(task)
            console.print(f"{what}: {words}{f'  {left}' if left else ''}", soft_wrap=True)

    try:
        yield moved
    finally:
        if console.is_terminal:
            progress.stop()
