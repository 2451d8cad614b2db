"""A plan in a run of Hugging Face's `Trainer`: one callback.

with transformers_apply("plan.toml") as fast:
    trainer = transformers.Trainer(model, args, train_dataset=data, callbacks=[fast])
    trainer.train()
print(fast.report())
"""

from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from hasten.base.optional import attribute_of
from hasten.base.seeds import preserved
from hasten.loops.planning import PlanOf
from hasten.loops.trainers import InTrainer

_MISSING = "transformers_apply needs transformers, which is not installed. Install it: pip install transformers"


def transformers_apply(plan: PlanOf, *, strict: bool = False) -> Any:
    """Return a `TrainerCallback` that applies a plan, with a method `report()`.

    Args:
        plan: see `hasten.apply`.
        strict: raise where a technique cannot be applied completely.

    Raises:
        BadInput: if transformers is not installed.
    """

    class TransformersApply(InTrainer, attribute_of(["transformers"], "TrainerCallback", missing=_MISSING)):
        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            optimizer = given["optimizer"]
            plain = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
            steps, example = state.max_steps, _example(given.get("train_dataloader"))
            self.enter(plan, given["model"], plain, steps=steps, strict=strict, example=example, name="transformers")

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.leave()

    return TransformersApply()


def _example(loader: Any) -> Any:
    """Return two samples as a batch, as the trainer's loader makes them; None where they would be lost to it."""
    plain = getattr(loader, "base_dataloader", loader)  # accelerate wraps it
    if not isinstance(plain, DataLoader) or isinstance(plain.dataset, IterableDataset):
        return None
    dataset: Any = plain.dataset
    collate: Any = plain.collate_fn
    with preserved():
        return collate([dataset[place] for place in range(min(2, len(dataset)))])
