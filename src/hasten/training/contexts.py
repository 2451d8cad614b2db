"""The process-wide settings of a recipe: entered here and nowhere else."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

ContextFactory = Callable[[], AbstractContextManager[Any]]


class Contexts:
    """Keep a recipe's process-wide settings on inside of `with` blocks; nested blocks enter them once.

    A block may be nested anywhere: what makes steps enters the contexts itself, and who makes many steps may keep them
    on around all of them. Not for use by several threads at once.
    """

    def __init__(self, factories: Sequence[ContextFactory]) -> None:
        self._factories = factories
        self._depth = 0
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        if self._depth == 0:
            with ExitStack() as entering:
                for make in self._factories:
                    entering.enter_context(make())
                self._entered = entering.pop_all()
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._entered.close()

    def required_by(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which raises RuntimeError when it is called outside of the contexts.

        A recipe without contexts gets the function itself back: its steps cost no check.
        """
        if not self._factories:
            return function

        def guarded(*args: Any) -> Any:
            if self._depth == 0:
                raise RuntimeError("the contexts of this recipe are off: call the model inside of `with run.contexts:`")
            return function(*args)

        return guarded
