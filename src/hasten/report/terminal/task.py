"""The task on the terminal."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.run import TaskFacts
from hasten.report.terminal.layout import section
from hasten.report.wording import data_line, training_line


def task_view(task: TaskFacts) -> RenderableType:
    """Return what is going to be trained, and how it is trained today."""
    return section("Task", Text(data_line(task)), Text(training_line(task)), note=task.name)
