"""What the commands on data share: the source, and the options that say how to read it."""

import functools
import inspect
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

SourcePath: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="SOURCE", help="A file, a folder or a tar archive: images, texts, a table, arrays."),
]
StorePath: TypeAlias = Annotated[Path, typer.Argument(metavar="DEST", help="Folder of the packed store.")]
DataOptions: TypeAlias = dict[str, Any]
"""The options of a data source that were given, by the names that `load_task` and `read_source` take."""

_PANEL = "How to read a table"


def takes_data_options(*column_flags: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator: the parameter `options` of a command becomes the options of a data source.

    Args:
        column_flags: the flags that name the column to predict.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += _parameters(column_flags) if parameter.name == "options" else [parameter]

        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            options = {name: given.pop(name) for name in [one.name for one in _parameters(column_flags)]}
            command(**given, options=as_options(options))

        wrapped.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
        wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapped

    return decorate


def as_options(given: Mapping[str, Any]) -> DataOptions:
    """Return the options of a data source among the parameters of a command, without those that were not given."""
    found = {one.name: given[one.name] for one in _parameters(()) if given[one.name] not in (None, [], ())}
    if found.pop("skip_bad"):
        found["on_bad"] = "skip"
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _parameters(column_flags: tuple[str, ...]) -> list[inspect.Parameter]:
    """Return the options, one keyword parameter each; None or an empty list where one is not given."""

    def option(name: str, kind: Any, *flags: str, help: str, metavar: str | None = None) -> inspect.Parameter:  # noqa: A002
        described = typer.Option(*flags, help=help, metavar=metavar, rich_help_panel=_PANEL)
        default = False if kind is bool else None
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, described]
        )

    text, several = str | None, list[str] | None
    return [
        option(
            "column",
            text,
            *column_flags,
            metavar="COLUMN",
            help="Target column, by name or index (0 the first, -1 the last, which is the default).",
        ),
        option(
            "target_kind",
            text,
            "--target-kind",
            metavar="classes|number",
            help="Whether the target is a class or a number (default: detected, and reported).",
        ),
        option("drop", several, "--drop", metavar="COLUMN", help="Leave a column out; repeat, or separate by commas."),
        option(
            "text", several, "--text", metavar="COLUMN", help="Take a column of numbers as categories; like --drop."
        ),
        option("missing", several, "--missing", metavar="VALUE", help="Also take this value as missing; repeatable."),
        option("delimiter", text, "--delimiter", metavar="CHAR", help="Between two fields: a character, tab or space."),
        option("decimal", text, "--decimal", metavar=".|,", help="Decimal mark of the numbers."),
        option("header", bool | None, "--header/--no-header", help="Whether the first row holds the column names."),
        option("skip_bad", bool, "--skip-bad", help="Skip bad rows and files and say so, instead of stopping."),
    ]


TASKS = {"images": "images", "texts": "imdb", "table": "table", "tokens": "shakespeare"}
"""The built-in task for each kind of data source."""


def command_for(kind: str, source: Path, options: DataOptions | None = None) -> str:
    """Return the command to use on a data source next: train on it, or look at a built-in task where none takes it."""
    from hasten.tasks.loading import option_words

    if kind not in TASKS:
        return "hasten run digits"
    return shlex.join(["hasten", "run", TASKS[kind], "--data", str(source), *option_words(options or {})])
