"""The tasks by name: how each is built, and what data it needs.

Other packages add tasks by the entry point group `hasten.tasks`: a `BuiltIn`, or a function that returns a task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hasten.base.registry import Registry
from hasten.training.task import Task


@dataclass(frozen=True)
class BuiltIn:
    """A task on board.

    Args:
        build: returns the task, or "module:function" to import when it is needed; takes `data`, a path, where `data` is
            set, and `column` where `takes_column` is.
        idea: one line.
        data: what the path given with `--data` must be, or None where no data are needed.
        takes_column: whether `--column` may name the column to predict.
        takes_policy: whether what is bad in the data may be left out; it then takes `on_bad`.
    """

    build: Callable[..., Task] | str
    idea: str
    data: str | None = None
    takes_column: bool = False
    takes_policy: bool = False

    def make(self, **options: Any) -> Task:
        """Return the task."""
        if callable(self.build):
            return self.build(**options)
        module, _, function = self.build.partition(":")
        return getattr(import_module(module), function)(**options)


_BUILT_IN = {
    "linear": BuiltIn("hasten.tasks.linear:task", "linear regression on four points by plain gradient descent"),
    "digits": BuiltIn("hasten.tasks.digits:task", "handwritten digits, 8 x 8, from scikit-learn; a small CNN"),
    "fashion-mnist": BuiltIn(
        "hasten.tasks.fashion_mnist:task",
        "clothes in ten classes, 28 x 28; a CNN of three layers",
        "a folder with train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz",
    ),
    "shakespeare": BuiltIn(
        "hasten.tasks.shakespeare:task",
        "the next character of a text; a GPT",
        "a text file in UTF-8, for example input.txt of tinyshakespeare",
    ),
    "housing": BuiltIn(
        "hasten.tasks.housing:task",
        "house prices from a table with missing values; an MLP",
        "a CSV file with the column median_house_value, for example housing.csv.gz",
    ),
    "images": BuiltIn(
        "hasten.tasks.images:task",
        "your own images in class folders; a CNN of three layers",
        "a folder with one folder of JPEG or PNG files per class, or tar archives of such",
        takes_policy=True,
    ),
    "imdb": BuiltIn(
        "hasten.tasks.imdb:task",
        "film reviews, or your own texts in class folders; a bag of words",
        "a folder or tar archives of train/pos/*.txt and train/neg/*.txt",
        takes_policy=True,
    ),
    "table": BuiltIn(
        "hasten.tasks.tables:task",
        "your own table: a class or a number from its other columns; an MLP",
        "a CSV, TSV or Parquet file, or a folder with a train file; --column names what to predict, or the last one is",
        takes_column=True,
        takes_policy=True,
    ),
}


def _adapt(name: str, offered: Any) -> BuiltIn:
    if isinstance(offered, BuiltIn):
        return offered
    if not callable(offered):
        raise TypeError("a task must be a BuiltIn or a function that returns a Task")
    build: Callable[..., Task] = offered
    return BuiltIn(build, ((offered.__doc__ or "").strip() or name).splitlines()[0])


TASKS: Registry[BuiltIn] = Registry("task", group="hasten.tasks", built_in=_BUILT_IN, adapt=_adapt)
"""Name -> task."""


def register(name: str, task: BuiltIn | Callable[[], Task]) -> BuiltIn:
    """Make a task of one's own known in this process.

    Raises:
        BadInput: if the name is taken.
    """
    return TASKS.register(name, task)
