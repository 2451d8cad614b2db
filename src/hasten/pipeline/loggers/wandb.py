"""Weights & Biases, offline: nothing is sent; `wandb sync` does that afterwards."""

from collections.abc import Mapping

from hasten.base.errors import BadInput, error_text
from hasten.base.optional import attribute_of
from hasten.pipeline.loggers.logger import Run, missing


class WandB:
    """Writes a run to a folder, in the project with the name of the task; a resumed run keeps its id.

    Args:
        place: folder in which wandb makes its own.
        run: the training.

    Raises:
        BadInput: if wandb is not installed, or does not start.
    """

    def __init__(self, place: str, run: Run) -> None:
        init = attribute_of(["wandb"], "init", missing=missing("wandb"))
        settings = attribute_of(["wandb"], "Settings", missing=missing("wandb"))
        try:
            self._run = init(
                mode="offline",
                dir=place,
                project=run.parameters["task"],
                name=run.name,
                id=run.name,
                resume="allow",
                config=dict(run.parameters),
                settings=settings(silent=True, console="off"),
            )
        except Exception as error:
            raise BadInput(f"wandb cannot write to {place}: {error_text(error)}. Pass --log wandb:DIR.") from error

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note values after a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is still open."""
        self._run.finish()
