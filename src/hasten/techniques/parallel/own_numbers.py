"""Random numbers of a process's own in one stretch of a forward pass, and the same as the others' before and after.

Where processes compute the same activations, dropout must drop the same of them. Where each has features of its own,
the same numbers would drop the same places in all of them, which no single process does.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.seeds import derive


class OwnNumbers:
    """Switches torch's generators to a process's own numbers, and back.

    The own ones follow from one number that all draw, so that they differ in every pass, and a pass that is repeated
    from the same state of the generators draws the same.

    Args:
        own: number of the process among those that have the same numbers elsewhere.
    """

    def __init__(self, own: int) -> None:
        self.own = own
        self._before: list[tuple[Callable[[Tensor], Any], Tensor]] = []

    def begin(self) -> None:
        """Draw own numbers from now on."""
        common = int(torch.randint(2**62, ()))
        self._before = [(torch.set_rng_state, torch.get_rng_state())]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            self._before.append((torch.cuda.set_rng_state, torch.cuda.get_rng_state()))
        torch.manual_seed(derive(common, "own numbers", self.own))

    def end(self) -> None:
        """Go on with the numbers that all have."""
        for put_back, state in self._before:
            put_back(state)
        self._before = []


@contextmanager
def drawn_by_one(own: int) -> Generator[None]:
    """Let the numbers that are drawn inside be a process's own."""
    numbers = OwnNumbers(own)
    numbers.begin()
    try:
        yield
    finally:
        numbers.end()


@contextmanager
def own_numbers(layer: Callable[[str], nn.Module], begin: str, end: str, own: int) -> Generator[None]:
    """Let the numbers that are drawn after one layer and before another be a process's own; see `install`."""
    remove = install(layer(begin), layer(end), own)
    try:
        yield
    finally:
        remove()


def install(begin: nn.Module, end: nn.Module, own: int) -> Callable[[], None]:
    """Let the numbers that are drawn in training between two layers be a process's own; return what takes it back.

    Args:
        begin: own numbers are drawn after its call.
        end: the numbers of all are drawn from its call on.
        own: number of the process among those that compute the same elsewhere.
    """
    numbers = OwnNumbers(own)
    after = begin.register_forward_hook(lambda module, args, output: numbers.begin() if module.training else None)
    before = end.register_forward_pre_hook(lambda module, args: numbers.end())

    def remove() -> None:
        after.remove()
        before.remove()

    return remove


def around(first: nn.Module, last: nn.Module, own: int) -> None:
    """Let the numbers that are drawn in training from the begin of one module to the end of another be of its own."""
    numbers = OwnNumbers(own)
    first.register_forward_pre_hook(lambda module, args: numbers.begin() if module.training else None)
    last.register_forward_hook(lambda module, args, output: numbers.end())
