"""The anatomy of a run of Lightning's trainer: one callback.

    watching = lightning_watch()
    trainer = lightning.Trainer(callbacks=[watching])
    trainer.fit(module, loader)
    print(watching.profile().verdict)

Lightning calls forward and backward pass from inside the optimizer's step; clipping counts as part of the update.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.profiling.watch import BETWEEN, Watch
from hasten.training.loop import EVALUATION, INPUT, OTHER

_FETCH = "train_dataloader_next"
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def lightning_watch(*, name: str = "lightning") -> Any:
    """Return a Lightning `Callback` with a method `profile()`.

    The forward pass is a call of the module or of one of its children that has parameters.

    Args:
        name: of the profile.

    Raises:
        BadInput: if Lightning is not installed.
    """

    class LightningWatch(_callback()):
        def __init__(self) -> None:
            super().__init__()
            self.watched: Watch | None = None
            self.undo: Callable[[], None] = lambda: None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            parts = [child for child in pl_module.children() if any(True for _ in child.parameters())]
            optimizer = trainer.optimizers[0] if trainer.optimizers else None
            self.watched = Watch([pl_module, *parts], optimizer, name=name).__enter__()
            self.undo = _waiting_marked(trainer.profiler, self.watched)

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self._watch().mark(BETWEEN)
            self._watch().saw(batch)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self._watch().mark(OTHER)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            if self.watched is not None:  # Lightning tries the validation before it trains
                self.watched.mark(BETWEEN)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if self.watched is not None:
                self.watched.mark(EVALUATION)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self._leave()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self._leave()

        def _leave(self) -> None:
            self.undo()
            if self.watched is not None:
                self.watched.__exit__()

        def profile(self) -> Profile:
            return self._watch().profile()

        def _watch(self) -> Watch:
            if self.watched is None:
                raise BadInput("the trainer must have begun to train before there is a profile; found no step.")
            return self.watched

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


def _callback() -> Any:
    for package in _PACKAGES:
        try:
            return import_module(package).Callback
        except ModuleNotFoundError:
            continue
    raise BadInput(f"watching Lightning needs Lightning; found neither {' nor '.join(_PACKAGES)}. Install lightning.")
