"""One piece of work at a time in a thread beside the training: writing a checkpoint, which waits for the disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from hasten.base.errors import error_text


class Background:
    """Runs one function at a time in a thread; an error of it is raised in the thread that started it.

    A context: it is left when the work has ended. Where the body fails, and the work too, the body's error goes on and
    the other is a note of it.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hasten-save")
        self._running: Future[Any] | None = None

    def start(self, work: Callable[[], object]) -> None:
        """Run a function beside the caller, after what was started before has ended.

        Raises:
            Exception: what the function before has raised.
        """
        self.wait()
        self._running = self._pool.submit(work)

    @property
    def busy(self) -> bool:
        """Whether something runs now."""
        return self._running is not None and not self._running.done()

    def check(self) -> None:
        """Raise the error of what was started, if it has failed by now."""
        if self._running is not None and self._running.done():
            self.wait()

    def wait(self) -> object:
        """Wait for what was started and return its result, None where nothing was; raise its error."""
        running, self._running = self._running, None
        return None if running is None else running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait()
        except Exception as own:
            if error is None:
                raise
            error.add_note(f"Meanwhile writing failed, too: {error_text(own)}")
        finally:
            self._pool.shutdown()
