"""TensorBoard."""

from collections.abc import Mapping
from pathlib import Path

from hasten.pipeline.loggers.logger import Run
from hasten.pipeline.tensorboard_log import open_writer


class TensorBoard:
    """Writes a run to a folder of its own.

    Args:
        place: folder that `tensorboard --logdir` is given.
        run: the training.

    Raises:
        BadInput: if tensorboard is not installed, or the folder cannot be written.
    """

    def __init__(self, place: str, run: Run) -> None:
        self._writer = open_writer(Path(place) / run.name)
        lines = [f"- {name}: {value}" for name, value in run.parameters.items()]
        self._writer.add_text("run", "\n".join(lines))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note values after a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still open."""
        self._writer.close()
