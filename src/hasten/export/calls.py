"""How a task calls its model: what an exported model takes and returns."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.data.batch import Batch
from hasten.data.tree import flattened
from hasten.training.session import Session


class Call(NamedTuple):
    """One call of a model: what it was given and what it returned."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    output: Any

    @property
    def given(self) -> list[Tensor]:
        """The tensors that it was given, in order."""
        return tensors_of_call((self.args, self.options))

    @property
    def returned(self) -> list[Tensor]:
        """The tensors that it returned, in order."""
        return tensors_of_call(self.output)


def tensors_of_call(tree: Any) -> list[Tensor]:
    """Return the tensors of a tree, in the order in which exporters flatten it."""
    return [leaf for leaf in flattened(tree)[0] if isinstance(leaf, Tensor)]


def calls_of(run: Session, batches: Iterable[Batch]) -> Iterator[Call]:
    """Yield what the model of a session is called with for each batch, and what it returns.

    Raises:
        BadInput: if the task does not call its model, or calls it more than once for a batch.
    """
    for batch in batches:
        yield _call_of(run, batch)


def _call_of(run: Session, batch: Batch) -> Call:
    found: list[Call] = []

    def note(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
        found.append(Call(args, options, output))

    hook = run.model.register_forward_hook(note, with_kwargs=True)
    try:
        with torch.no_grad():
            run.predict(batch)
    finally:
        hook.remove()
    if len(found) != 1:
        times = "does not call its model" if not found else f"calls its model {len(found)} times for one batch"
        raise BadInput(
            f"{run.recipe.task.name!r} {times}, so that it is not clear what to export. An exported model is called "
            "as the task calls it: once for a batch, as model(...)."
        )
    return found[0]
