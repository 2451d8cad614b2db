"""A plan in a training that a trainer runs: what the callbacks of trainers share."""

from collections.abc import Callable
from typing import Any

from torch import nn, optim

from hasten.base.errors import BadInput
from hasten.base.records.effect import Report
from hasten.data.batch import Batch
from hasten.loops.apply import Applied, applied
from hasten.loops.given import Given
from hasten.loops.planning import PlanOf
from hasten.training.inspection import copy_of


class InTrainer:
    """Applies a plan when a trainer begins to train, and takes it back when it ends.

    The model and the optimizer are changed in place, since the trainer keeps its own references to them. A technique
    that needs another optimizer, or makes batches in another way, is refused.

    Use it as a context manager around the training where the trainer does not say that it failed.
    """

    fast: Applied | None = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def enter(
        self,
        plan: PlanOf,
        model: nn.Module,
        optimizer: optim.Optimizer,
        *,
        steps: int | None,
        strict: bool,
        method: str = "forward",
        example: Batch | None = None,
        copy: Callable[[nn.Module], nn.Module] = copy_of,
        name: str,
    ) -> None:
        """Apply the plan to the objects of the trainer."""
        self.leave()
        given = Given(
            model=model,
            optimizer=optimizer,
            loader=None,
            loss=None,
            scheduler=None,
            example=example,
            steps=steps,
            device=str(next(iter(model.parameters())).device),
            name=name,
            method=method,
            copy=copy,
            keeps_optimizer=True,
        )
        self.fast = applied(plan, given, strict=strict)
        self.fast.__enter__()

    def leave(self) -> None:
        """Give the trainer's objects back as they were, with the trained weights."""
        if self.fast is not None:
            self.fast.__exit__()

    def report(self) -> Report:
        """Return what became of each technique of the plan; see `Applied.report`.

        Raises:
            BadInput: if the training has not begun.
        """
        if self.fast is None:
            raise BadInput("the trainer must have begun to train before there is a report; found no step.")
        return self.fast.report()
