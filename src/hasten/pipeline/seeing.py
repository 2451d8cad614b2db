"""A diagnosis to look at: as a page, and in TensorBoard."""

from dataclasses import dataclass
from pathlib import Path

from hasten.base.records.finding import Diagnosis
from hasten.base.records.health import Health
from hasten.pipeline.tensorboard_log import write_tensorboard, writer_class
from hasten.report.health_page import write_health_page


@dataclass(frozen=True)
class Views:
    """Where a diagnosis is written: a page, and a folder of TensorBoard; None for neither.

    Raises:
        BadInput: if tensorboard is asked for and not installed: before the training, not after it.
    """

    html: Path | None = None
    tensorboard: Path | None = None

    def __post_init__(self) -> None:
        if self.tensorboard is not None:
            writer_class()

    def write(self, health: Health, diagnosis: Diagnosis) -> None:
        """Write what was asked for.

        Raises:
            BadInput: if a file cannot be written.
        """
        if self.html is not None:
            write_health_page(health, diagnosis, self.html)
        if self.tensorboard is not None:
            write_tensorboard(health, diagnosis, self.tensorboard)
