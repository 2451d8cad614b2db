"""A plan in a run of Lightning's trainer: one callback.

    fast = lightning_apply("plan.toml")
    trainer = lightning.Trainer(callbacks=[fast])
    trainer.fit(module, loader)
    print(fast.report())

What a plan puts around forward pass and loss is put around the module's `training_step`.
"""

from copy import copy
from typing import Any

from torch import nn

from hasten.base.errors import BadInput
from hasten.base.optional import attribute_of
from hasten.loops.planning import PlanOf
from hasten.loops.trainers import InTrainer
from hasten.training.inspection import copy_of

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_MISSING = f"lightning_apply needs Lightning; found neither {' nor '.join(_PACKAGES)}. Install lightning."


def lightning_apply(plan: PlanOf, *, strict: bool = False) -> Any:
    """Return a Lightning `Callback` that applies a plan, with a method `report()`.

    Args:
        plan: see `hasten.apply`.
        strict: raise where a technique cannot be applied completely.

    Raises:
        BadInput: if Lightning is not installed, or the module has several optimizers.
    """

    class LightningApply(InTrainer, attribute_of(_PACKAGES, "Callback", missing=_MISSING)):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if len(trainer.optimizers) != 1:
                raise BadInput(
                    f"lightning_apply needs a module with one optimizer; found {len(trainer.optimizers)}. "
                    "Train with several optimizers without it."
                )
            steps = trainer.estimated_stepping_batches
            self.enter(
                plan,
                pl_module,
                trainer.optimizers[0],
                steps=int(steps) if steps not in (-1, float("inf")) else None,
                strict=strict,
                method="training_step",
                copy=_without_trainer,
                name="lightning",
            )

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self.leave()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self.leave()

    return LightningApply()


def _without_trainer(module: nn.Module) -> nn.Module:
    """Return a copy of a module, which would otherwise hold a copy of the trainer with all its data."""
    alone = copy(module)
    vars(alone)["_trainer"] = None
    return copy_of(alone)
