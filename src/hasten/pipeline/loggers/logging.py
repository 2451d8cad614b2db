"""Tell trackers of a training, in a thread of its own, so that no step waits for a database."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Thread

from hasten.base.errors import BadInput, error_text, unknown_name
from hasten.base.records.notices import Note
from hasten.base.records.run import Started
from hasten.pipeline.loggers.logger import Logger, Run, missing, parameters_of, values_of
from hasten.pipeline.loggers.mlflow import MLflow
from hasten.pipeline.loggers.tensorboard import TensorBoard
from hasten.pipeline.loggers.wandb import WandB

Show = Callable[[object], None]
Open = Callable[[str, Run], Logger]

KINDS: dict[str, tuple[Open, str]] = {
    "tensorboard": (TensorBoard, "tensorboard"),
    "mlflow": (MLflow, "sqlite:///mlflow.db"),
    "wandb": (WandB, "."),
}
"""Kind -> what opens it, and where it writes if nothing is said."""


def check_trackers(to: Sequence[str]) -> None:
    """Raise unless every tracker is known and its package installed: before there is a folder of a run.

    Raises:
        BadInput: if a kind is unknown, or its package is missing.
    """
    for kind, _ in map(_parsed, to):
        if find_spec(kind) is None:
            raise BadInput(missing(kind))


class Logging:
    """Passes what is shown on, and tells trackers of it; for use in a `with` block around the training.

    A tracker that fails is left, with a note; the training goes on.

    Args:
        to: trackers, each "tensorboard", "mlflow" or "wandb", with a place after a colon ("mlflow:sqlite:///runs.db").
        name: of the run's folder.
        show: called with every record.

    Raises:
        BadInput: if a kind is unknown.
    """

    def __init__(self, to: Sequence[str], name: str, show: Show) -> None:
        self._places = [_parsed(one) for one in to]
        self._name, self._show, self._metric = name, show, ""
        self._loggers: list[tuple[str, Logger]] = []
        self._events = SimpleQueue[object]()
        self._failed: list[Note] = []
        self._thread = Thread(target=self._work, name="loggers", daemon=True)

    def __enter__(self) -> Show:
        return self.show if self._places else self._show

    def show(self, record: object) -> None:
        """Show a record, and tell the trackers of it.

        Raises:
            BadInput: if a tracker cannot be opened when the training begins.
        """
        self._show(record)
        if isinstance(record, Started):
            self._metric = record.metric_name
            run = Run(self._name, parameters_of(record))
            self._loggers = [(kind, KINDS[kind][0](place, run)) for kind, place in self._places]
            self._thread.start()
        self._events.put(record)
        while self._failed:
            self._show(self._failed.pop())

    def __exit__(self, *error: object) -> None:
        if self._thread.ident is not None:
            self._events.put(None)
            self._thread.join()
        for note in self._failed:
            self._show(note)

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            if (found := values_of(event, self._metric)) is not None:
                step, values = found
                for one in tuple(self._loggers):
                    self._try(one, lambda logger, step=step, values=values: logger.log(step, values))
        for one in tuple(self._loggers):
            self._try(one, lambda logger: logger.close())

    def _try(self, one: tuple[str, Logger], call: Callable[[Logger], None]) -> None:
        kind, logger = one
        try:
            call(logger)
        except Exception as error:  # noqa: BLE001  (of another library, in a thread: told by a note)
            self._loggers.remove(one)
            self._failed.append(Note(text=f"logging to {kind} stopped: {error_text(error)}. The training goes on."))


def _parsed(text: str) -> tuple[str, str]:
    kind, _, place = text.partition(":")
    if kind not in KINDS:
        raise unknown_name("tracker", kind, KINDS)
    return kind, place or KINDS[kind][1]
