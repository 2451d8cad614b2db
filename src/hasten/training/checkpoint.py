"""Checkpoints: whole or not there, loaded as plain data, and refused by a run that they do not belong to."""

import hashlib
import itertools
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_model
from torch import nn
from torch.utils.data import Dataset

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.plan import Plan
from hasten.data.batch import tensors_of
from hasten.data.loading.gather import take, why_not
from hasten.training.session import Session

SCHEMA = 1
_COMPARED_SAMPLES = 64


def save_checkpoint(run: Session, plan: Plan, path: Path) -> None:
    """Write everything that the next step of the run depends on, atomically."""
    content = {"schema": SCHEMA, "identity": identity(run, plan), "state": run.state()}

    def write(file: Any) -> None:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch ends its archive although the disk is full, and tells only that this failed, too.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

    write_atomically(path, write)


def load_checkpoint(run: Session, plan: Plan, path: Path) -> None:
    """Let the run go on from a checkpoint, as if it had never stopped.

    Raises:
        BadInput: if the file is missing, damaged, of another schema, or of another training; the message says what
            differs. The run is then as it was.
    """
    content = _read(path)
    if content.get("schema") != SCHEMA:
        raise BadInput(f"{path} must be a checkpoint of schema {SCHEMA}; found {content.get('schema')!r}.")
    saved, current = content["identity"], identity(run, plan)
    different = [key for key in current if saved.get(key) != current[key]]
    if different:
        details = "; ".join(_difference(key, saved.get(key), current[key]) for key in different)
        raise BadInput(
            f"{path} must belong to the training that goes on; different are {details}. "
            "Nothing was changed. Resume with the same task, plan and seed, or start anew."
        )
    run.load_state(content["state"])


def identity(run: Session, plan: Plan) -> dict[str, Any]:
    """Return what must be the same for a run to go on from another's checkpoint.

    Data that can be gathered are compared by a hash of 64 samples, evenly spread; others by their number alone, since
    reading them may cost much or draw random numbers.
    """
    task, recipe = run.recipe.task, run.recipe
    return {
        "task": task.name,
        "seed": run.seed,
        "training samples": run.samples,
        "training data": _hash_of(task.data.train, run.samples),
        "batch size": recipe.input.batch_size,
        "learning rate": recipe.update.lr,
        "optimizer": type(run.optimizer).__name__,
        "techniques": ", ".join(f"{one.technique}{dict(one.knobs) or ''}" for one in plan.choices) or "none",
        "layers": [type(module).__name__ for module in run.model.modules()],
        "parameters": [f"{name} {list(value.shape)}" for name, value in run.model.named_parameters()],
    }


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a plain model's weights as safetensors, atomically; tied weights are stored once."""

    def write(file: Any) -> None:
        try:
            save_model(model, file.name)
        except SafetensorError as error:
            raise OSError(str(error)) from error

    write_atomically(path, write)


def _hash_of(dataset: Dataset[Any], samples: int) -> str | None:
    """Return a hash of some samples, or None if they cannot be gathered."""
    if why_not(dataset) is not None:
        return None
    digest = hashlib.sha256()
    for column in tensors_of(take(dataset, torch.linspace(0, samples - 1, _COMPARED_SAMPLES).long())):
        digest.update(f"{column.dtype} {tuple(column.shape)} ".encode())
        digest.update(column.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]


def _difference(what: str, saved: Any, current: Any) -> str:
    """Return both values; of lists, the first place where they differ."""
    if not (isinstance(saved, list) and isinstance(current, list)):
        return f"{what}: {saved!r} there, {current!r} here"
    pairs = itertools.zip_longest(saved, current, fillvalue="none")
    position, (there, here) = next((position, pair) for position, pair in enumerate(pairs) if pair[0] != pair[1])
    return f"{what}, number {position + 1}: {there} there, {here} here"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"{path} must be a checkpoint; found no such file.") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # What torch says of content that it does not read fills a paragraph and advises to load it without safeguards.
        plain = isinstance(error, pickle.UnpicklingError)
        reason = "it holds more than tensors and plain values" if plain else str(error).split("\n", 1)[0]
        raise BadInput(
            f"{path} must be a whole checkpoint of hasten; found a damaged or foreign file ({reason}). "
            "Start the training anew, or resume from another run."
        ) from error
    if not isinstance(content, dict) or "state" not in content:
        raise BadInput(f"{path} must be a checkpoint of hasten; found {type(content).__name__} without a state.")
    return content
