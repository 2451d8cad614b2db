"""Every task that hasten brings: how it is built, and what data it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from hasten.data.tables.table import Reading
from hasten.tasks import digits, fashion_mnist, housing, images, imdb, linear, shakespeare, tables
from hasten.training.task import Task


@dataclass(frozen=True)
class BuiltIn:
    """A task on board.

    Args:
        build: returns the task; takes `data`, a path, where `data` is set, and each of `options` by its name.
        idea: one line.
        data: what the path given with `--data` must be, or None where no data are needed.
        options: the options of the command line that say how to read its data.
    """

    build: Callable[..., Task]
    idea: str
    data: str | None = None
    options: frozenset[str] = frozenset()


FILES = frozenset({"on_bad"})
TABLE = frozenset({"column", *Reading.__annotations__})


TASKS: dict[str, BuiltIn] = {
    "linear": BuiltIn(linear.task, "linear regression on four points by plain gradient descent"),
    "digits": BuiltIn(digits.task, "handwritten digits, 8 x 8, from scikit-learn; a small CNN"),
    "fashion-mnist": BuiltIn(
        fashion_mnist.task,
        "clothes in ten classes, 28 x 28; a CNN of three layers",
        f"a folder with {fashion_mnist.IMAGES}.gz and {fashion_mnist.LABELS}.gz",
    ),
    "shakespeare": BuiltIn(
        shakespeare.task,
        "the next character of a text; a GPT",
        "a text file in UTF-8, for example input.txt of tinyshakespeare",
    ),
    "housing": BuiltIn(
        housing.task,
        "house prices from a table with missing values; an MLP",
        f"a CSV file with the column {housing.TARGET}, for example housing.csv.gz",
    ),
    "images": BuiltIn(
        images.task,
        "your own images in class folders; a CNN of three layers",
        "a folder with one folder of JPEG or PNG files per class, or tar archives of such",
        options=FILES,
    ),
    "imdb": BuiltIn(
        imdb.task,
        "film reviews, or your own texts in class folders; a bag of words",
        "a folder or tar archives of train/pos/*.txt and train/neg/*.txt",
        options=FILES,
    ),
    "table": BuiltIn(
        tables.task,
        "your own table: a class or a number from its other columns; an MLP",
        "a CSV, TSV or Parquet file, or a folder with a train file; --column names what to predict, or the last one is",
        options=TABLE,
    ),
}
