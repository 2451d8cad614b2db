"""Update all parameters in one kernel instead of several operations per parameter.

What it does
    Passes `fused=True` to torch's SGD, Adagrad, Adam or AdamW.

Why it helps
    On a CPU torch's default is a Python loop with several operations per parameter; the fused kernel reads and writes
    each value once.

When it hurts
    Hardly ever; for very few, very large parameters it makes no difference.

Numerics
    The same update, with intermediate values rounded at other places.

Known problems
    The fused kernels do not advance a tensor's version counter: caches keyed on it go stale.

Source
    torch.optim documentation, "fused"; CPU kernels: pytorch pull requests 123074 and 124905 (2024).
"""

from dataclasses import dataclass
from typing import ClassVar

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.effects import Seen, any_call
from hasten.training.recipe import Recipe

FUSED = frozenset({"sgd", "momentum", "nesterov", "adagrad", "adam", "adamw"})


@dataclass(frozen=True)
class FusedOptimizer:
    """Update all parameters in one kernel."""

    card: ClassVar[Card] = Card(
        name="fused_optimizer",
        stage=Stage.UPDATE,
        guarantee=Guarantee.ROUNDING,
        idea="fused optimizer: update all parameters in one kernel",
        source="pytorch pull requests 123074 and 124905 (2024)",
        treats=("optimizer_heavy", "small_kernels"),
        needs=("SGD, Adagrad, Adam or AdamW, by name",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse optimizers that have no fused kernel."""
        update = recipe.update
        if not isinstance(update.optimizer, str):
            return "the optimizer is built by the task's own function; name it instead to let it be fused"
        if update.optimizer.lower() not in FUSED:
            return f"torch has no fused kernel for {update.optimizer!r} (only for {', '.join(sorted(FUSED))})"
        if update.options.get("fused"):
            return "the task's optimizer is fused already"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add fused=True to the optimizer's options."""
        options = {**recipe.update.options, "fused": True}
        return recipe.with_update(options=options)

    def effect(self, seen: Seen) -> str | None:
        """Expect a call of one of torch's fused kernels."""
        return any_call(seen, "a fused kernel of an optimizer", "aten::_fused_")

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script's optimizer has fused=True."""
        return Source(at="optimizer", options="fused=True")
