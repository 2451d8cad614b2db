"""Checkpoints of a run: the newest in two generations, and resuming from the newest one that is whole."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.records.plan import Plan
from hasten.training.checkpoint_file import Damaged, Place, checked, copied, read_checkpoint, write_checkpoint
from hasten.training.checkpoint_parts import (
    FOLDER,
    Part,
    Parts,
    damage_of,
    part_here,
    parts_of,
    remove_unused,
    with_parts,
    without_parts,
)
from hasten.training.identity import differences, environment, identity, stop_rules
from hasten.training.run_folder import CHECKPOINT, NON_FINITE
from hasten.training.session import Session

SCHEMA = 4


@dataclass(frozen=True)
class Best:
    """The weights of the best evaluation so far: the model's `state_dict` on the CPU, with averages in place.

    Those of a sharded model are sharded as it is.
    """

    step: int
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint holds beside the state of the session, and what there is to say about resuming from it."""

    state: dict[str, Any]
    best: Best | None
    notes: tuple[str, ...]
    events: int = 0  # of the run that there were until then and stay


def header(run: Session, plan: Plan) -> dict[str, Any]:
    """Return what a checkpoint says of its training; call it before the first step."""
    return {
        "schema": SCHEMA,
        "identity": identity(run, plan),
        "stop": stop_rules(run),
        "environment": environment(run),
    }


def save_checkpoint(
    run: Session,
    head: dict[str, Any],
    path: Path,
    *,
    best: Best | None = None,
    events: int = 0,
    keep_previous: bool = True,
) -> None:
    """Write everything that the next step depends on; the checkpoint that is there stays as the one before.

    Args:
        run: a whole session, as it is between two events.
        head: its `header`.
        path: the newest checkpoint.
        best: the best weights so far.
        events: number of the run's events that stay when it resumes from here.
        keep_previous: whether the checkpoint that is there stays, as `previous.pt`.

    Raises:
        BadInput: if it cannot be written, or part of the state is no plain data and could not be read back.
    """
    content = _content(run.state(), head, best, events)
    write_checkpoint(path, content, previous=previous(path) if keep_previous else None)


def copied_checkpoint(
    run: Session,
    head: dict[str, Any],
    path: Path,
    *,
    best: Best | None = None,
    events: int = 0,
    keep_previous: bool = True,
) -> Callable[[], None]:
    """Return what `save_checkpoint` does with the state as it is now, to be done while the training goes on.

    Cost: a copy of the state in the memory of the CPU, until the function has ended.

    Raises:
        BadInput: if part of the state is no plain data; the function that is returned, if it cannot be written.
    """
    content = _content(copied(checked(run.state())), head, best, events)
    return partial(write_checkpoint, path, content, previous=previous(path) if keep_previous else None)


def divided_checkpoint(
    run: Session,
    head: dict[str, Any],
    path: Path,
    *,
    best: Best | None = None,
    events: int = 0,
    keep_previous: bool = True,
) -> tuple[Part, Callable[[Parts], None]]:
    """Return copies of what this process writes of a state that is divided over processes, and what writes the rest.

    The first process calls that when all parts are on disk: the checkpoint is then whole. See `copied_checkpoint`.
    """
    processes = run.recipe.parallel.processes
    content = _content(checked(run.state()), head, best, events)
    rest = copied(without_parts(content)) if processes is None or processes.rank == 0 else {}

    def write(parts: Parts) -> None:
        whole = {**rest, "parts": parts.plain()}
        write_checkpoint(path, whole, previous=previous(path) if keep_previous else None)
        remove_unused_parts(path.parent)

    return part_here(content), write


def remove_unused_parts(folder: Path) -> None:
    """Delete the parts that no checkpoint in a folder needs any more; see `remove_unused`."""
    if not (folder / FOLDER).is_dir():
        return
    used = list[str]()
    for path in (folder / CHECKPOINT.name, previous(folder / CHECKPOINT.name), folder / NON_FINITE.name):
        with suppress(BadInput):  # none, or damaged: its parts are of no use
            if (parts := parts_of(read_checkpoint(path), path)) is not None:
                used.append(parts.name)
    remove_unused(folder, used)


def _content(state: dict[str, Any], head: dict[str, Any], best: Best | None, events: int) -> dict[str, Any]:
    kept = None if best is None else {"step": best.step, "weights": best.weights}
    return {**head, "state": state, "best": kept, "events": events}


def load_checkpoint(run: Session, head: dict[str, Any], path: Path) -> Loaded:
    """Put the run into the state of the newest checkpoint that is whole.

    A damaged newest one is renamed to `damaged.pt`, so that it does not take the position of the whole one before it.

    Args:
        run: a fresh session.
        head: its `header`.
        path: the newest checkpoint; the one before it lies beside it.

    Raises:
        BadInput: if there is none, all are damaged, or it belongs to another training: the message says what differs.
            The run is then as it was.
    """
    return _loaded(run, head, path, *_newest(path))


def load_checkpoint_beside(run: Session, head: dict[str, Any], path: Path) -> Loaded:
    """Do the same in another process, after the first one: the newest checkpoint that there is, is whole."""
    return _loaded(run, head, path, read_checkpoint(path if path.exists() else previous(path)), [])


def load_checkpoint_until(run: Session, head: dict[str, Any], path: Path, step: int) -> Loaded | None:
    """Put the run into the state of the newest checkpoint of at most so many steps; see `load_checkpoint`.

    Returns:
        None where neither the newest one nor the one before it is; the run is then as it was.
    """
    if not path.exists() and not previous(path).exists():
        return None
    content, notes = _newest(path)
    if _steps(content) > step and previous(path).exists():
        content = _read_whole(previous(path))
    return _loaded(run, head, path, content, notes) if _steps(content) <= step else None


def _loaded(run: Session, head: dict[str, Any], path: Path, content: dict[str, Any], notes: list[str]) -> Loaded:
    """Put the run into the state of the content of a checkpoint."""
    if content.get("schema") != SCHEMA:
        raise BadInput(f"{path} is a checkpoint of schema {content.get('schema')!r}; this version reads {SCHEMA}.")
    same_python = content["environment"]["python"] == head["environment"]["python"]
    if different := differences(content["identity"], head["identity"], code=same_python):
        raise BadInput(
            f"{path} belongs to another training. Different: {'; '.join(different)}. "
            "Nothing was changed. Resume with the same task, plan and options, or start anew without --resume."
        )
    if changed := differences(content["stop"], head["stop"]):
        notes.append(f"stop rules changed: {'; '.join(changed)}. A schedule that spans the run follows its new length.")
    if changed := differences(content["environment"], head["environment"]):
        notes.append(f"other surroundings: {'; '.join(changed)}. Rounding may differ from an uninterrupted run.")
    if (parts := parts_of(content, path)) is not None:
        content = with_parts(content, parts, path, _patterns(run))
    run.load_state(content["state"])
    best = content["best"] and Best(content["best"]["step"], _on_cpu(content["best"]["weights"]))
    return Loaded(content["state"], best, tuple(notes), content.get("events", 0))


def _on_cpu(weights: dict[str, Any]) -> dict[str, Any]:
    return {name: one.cpu() if isinstance(one, Tensor) else one for name, one in weights.items()}


def _patterns(run: Session) -> Callable[[Place], Any]:
    """Return what says as which tensor of a run that of a place in its checkpoint is divided."""
    weights = run.model.state_dict()
    parameters = [one for group in run.optimizer.param_groups for one in group["params"]]

    def pattern(place: Place) -> Any:
        match place:
            case ("state", "model", name) | ("best", "weights", name):
                return weights.get(name)
            case ("state", "optimizer", "state", int(number), _):
                return parameters[number]
            case _:
                return None

    return pattern


def previous(path: Path) -> Path:
    """Return where the checkpoint before the newest one is."""
    return path.with_name(f"previous{path.suffix}")


def is_saved(folder: Path) -> bool:
    """Return whether the folder of a run has a checkpoint."""
    return (folder / CHECKPOINT).exists() or previous(folder / CHECKPOINT).exists()


def _newest(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the newest checkpoint that is whole, and say which one if it is not the last that was written."""
    before = previous(path)
    try:
        return _read_whole(path), []
    except Damaged as error:
        content = _read_instead(before, error)
        aside = path.with_name(f"damaged{path.suffix}")
        path.replace(aside)
        return content, [
            f"{error} It was renamed to {aside.name}. Resuming from the one before it, {_step(content, before)}."
        ]
    except BadInput as error:
        if path.exists() or not before.exists():
            raise
        content = _read_instead(before, error)
        return content, [f"{path} is missing. Resuming from the one before it, {_step(content, before)}."]


def _read_whole(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint that is whole with all its parts."""
    content = read_checkpoint(path)
    parts = parts_of(content, path)
    if parts is not None and (wrong := damage_of(parts, path)):
        raise Damaged(f"{path} is damaged: {next(iter(wrong.values()))}")
    return content


def _read_instead(path: Path, error: BadInput) -> dict[str, Any]:
    try:
        return _read_whole(path)
    except BadInput as second:
        other = "there is no older one" if not path.exists() else f"so is the older one, {path}"
        raise BadInput(f"{error} {other[0].upper()}{other[1:]}. Start the training anew.") from second


def _step(content: dict[str, Any], path: Path) -> str:
    return f"{path.name} of step {_steps(content)}"


def _steps(content: dict[str, Any]) -> int:
    return int(content["state"]["position"]["step"])
