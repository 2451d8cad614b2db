"""The anatomy of a run of Hugging Face's `Trainer`: one callback.

    watching = transformers_watch()
    trainer = transformers.Trainer(model, args, train_dataset=data, callbacks=[watching])
    trainer.train()
    print(watching.profile().verdict)

Its models return the loss themselves, so that the loss counts as forward.
"""

from typing import Any

from hasten.base.optional import attribute_of
from hasten.profiling.watch import BETWEEN, Watch, Watching
from hasten.training.marks import EVALUATION, INPUT, OTHER

_MISSING = "watching a Trainer needs transformers; found it not installed. Install transformers."


def transformers_watch(*, name: str = "transformers") -> Any:
    """Return a `TrainerCallback` with a method `profile()`.

    Args:
        name: of the profile.

    Raises:
        BadInput: if transformers is not installed.
    """

    class TransformersWatch(Watching, attribute_of(["transformers"], "TrainerCallback", missing=_MISSING)):
        batch_size = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            optimizer = given.get("optimizer")
            plain = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
            self.batch_size = args.train_batch_size * args.gradient_accumulation_steps
            self.watched = Watch([given["model"]], plain, name=name).__enter__()

        def on_step_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.begun().mark(INPUT)
            self.begun().samples.append(self.batch_size)

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.begun().mark(OTHER)

        def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.begun().mark(BETWEEN)

        def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.begun().mark(BETWEEN)

        def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if self.watched is not None:  # one may evaluate without training
                self.watched.mark(EVALUATION)

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.leave()

    return TransformersWatch()
