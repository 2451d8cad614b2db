"""The anatomy of a run of Lightning's trainer: one callback.

    watching = lightning_watch()
    trainer = lightning.Trainer(callbacks=[watching])
    trainer.fit(module, loader)
    print(watching.profile().verdict)

Lightning calls forward and backward pass from inside the optimizer's step; clipping counts as part of the update.
"""

from collections.abc import Callable
from typing import Any

from hasten.base.optional import attribute_of
from hasten.profiling.watch import BETWEEN, Watch, Watching
from hasten.training.marks import EVALUATION, INPUT, OTHER

_FETCH = "train_dataloader_next"
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_MISSING = f"watching Lightning needs Lightning; found neither {' nor '.join(_PACKAGES)}. Install lightning."


def lightning_watch(*, name: str = "lightning") -> Any:
    """Return a Lightning `Callback` with a method `profile()`.

    The forward pass is a call of the module or of one of its children that has parameters.

    Args:
        name: of the profile.

    Raises:
        BadInput: if Lightning is not installed.
    """

    class LightningWatch(Watching, attribute_of(_PACKAGES, "Callback", missing=_MISSING)):
        def __init__(self) -> None:
            super().__init__()
            self.undo: Callable[[], None] = lambda: None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            parts = [child for child in pl_module.children() if any(True for _ in child.parameters())]
            self.watched = Watch([pl_module, *parts], trainer.optimizers, name=name).__enter__()
            self.undo = _waiting_marked(trainer.profiler, self.watched)

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self.begun().mark(BETWEEN)
            self.begun().saw(batch)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.begun().mark(OTHER)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            if self.watched is not None:  # Lightning tries the validation before it trains
                self.watched.mark(BETWEEN)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if self.watched is not None:
                self.watched.mark(EVALUATION)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self.stop()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self.stop()

        def stop(self) -> None:
            self.undo()
            self.leave()

    return LightningWatch()


def _waiting_marked(profiler: Any, watched: Watch) -> Callable[[], None]:
    """Mark the wait for batches where Lightning tells its profiler of it, and return what undoes it."""
    start, stop = profiler.start, profiler.stop

    def started(action: str) -> None:
        if action.endswith(_FETCH):
            watched.mark(BETWEEN)
        start(action)

    def stopped(action: str) -> None:
        stop(action)
        if action.endswith(_FETCH):
            watched.mark(INPUT)

    profiler.start, profiler.stop = started, stopped

    def undo() -> None:
        profiler.start, profiler.stop = start, stop

    return undo
