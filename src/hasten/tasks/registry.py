"""The tasks by name: how each is built, and what data it needs.

Other packages add tasks by the entry point group `hasten.tasks`: a `BuiltIn`, or a function that returns a task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hasten.base.registry import Registry
from hasten.data.tables.table import Reading
from hasten.training.task import Task


@dataclass(frozen=True)
class BuiltIn:
    """A task on board.

    Args:
        build: returns the task, or "module:function" to import when it is needed; takes `data`, a path, where `data` is
            set, and each of `options` by its name.
        idea: one line.
        data: what the path given with `--data` must be, or None where no data are needed.
        options: the options of the command line that say how to read its data.
    """

    build: Callable[..., Task] | str
    idea: str
    data: str | None = None
    options: frozenset[str] = frozenset()

    def make(self, **options: Any) -> Task:
        """Return the task."""
        if callable(self.build):
            return self.build(**options)
        module, _, function = self.build.partition(":")
        return getattr(import_module(module), function)(**options)


FILES = frozenset({"on_bad"})
TABLE = frozenset({"column", *Reading.__annotations__})


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
        options=FILES,
    ),
    "imdb": BuiltIn(
        "hasten.tasks.imdb:task",
        "film reviews, or your own texts in class folders; a bag of words",
        "a folder or tar archives of train/pos/*.txt and train/neg/*.txt",
        options=FILES,
    ),
    "table": BuiltIn(
        "hasten.tasks.tables:task",
        "your own table: a class or a number from its other columns; an MLP",
        "a CSV, TSV or Parquet file, or a folder with a train file; --column names what to predict, or the last one is",
        options=TABLE,
    ),
}


def _adapt(name: str, offered: Any) -> BuiltIn:
    if isinstance(offered, BuiltIn):
        return offered
    if not callable(offered):
        raise TypeError("a task must be a BuiltIn or a function that returns a Task")
    build: Any = offered
    return BuiltIn(build, ((offered.__doc__ or "").strip() or name).splitlines()[0])


TASKS: Registry[BuiltIn] = Registry("task", group="hasten.tasks", built_in=_BUILT_IN, adapt=_adapt)
"""Name -> task."""


def register(name: str, task: BuiltIn | Callable[[], Task]) -> BuiltIn:
    """Make a task of one's own known in this process.

    Raises:
        BadInput: if the name is taken.
    """
    return TASKS.register(name, task)
