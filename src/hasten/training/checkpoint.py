"""Checkpoints: whole or not there, loaded as plain data, and refused by a run that they do not belong to."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model
from torch import nn

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.plan import Plan
from hasten.training.session import Session

SCHEMA = 1


def save_checkpoint(run: Session, plan: Plan, path: Path) -> None:
    """Write everything that the next step of the run depends on, atomically."""
    content = {"schema": SCHEMA, "identity": identity(run, plan), "state": run.state()}
    write_atomically(path, lambda file: torch.save(content, file))


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
        details = "; ".join(f"{key}: {saved.get(key)!r} there, {current[key]!r} here" for key in different)
        raise BadInput(
            f"{path} must belong to the training that goes on; different are {details}. "
            "Nothing was changed. Resume with the same task, plan and seed, or start anew."
        )
    run.load_state(content["state"])


def identity(run: Session, plan: Plan) -> dict[str, Any]:
    """Return what must be the same for a run to go on from another's checkpoint."""
    task, recipe = run.recipe.task, run.recipe
    return {
        "task": task.name,
        "seed": run.seed,
        "training samples": run.samples,
        "batch size": recipe.input.batch_size,
        "learning rate": recipe.update.lr,
        "optimizer": type(run.optimizer).__name__,
        "techniques": [f"{choice.technique}{dict(choice.knobs) or ''}" for choice in plan.choices],
        "parameters": {name: list(value.shape) for name, value in run.model.named_parameters()},
    }


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a plain model's weights as safetensors, atomically; tied weights are stored once."""

    def write(file: Any) -> None:
        save_model(model, file.name)

    write_atomically(path, write)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"{path} must be a checkpoint; found no such file.") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BadInput(
            f"{path} must be a whole checkpoint of hasten; found a damaged or foreign file ({error}). "
            "Start the training anew, or resume from another run."
        ) from error
    if not isinstance(content, dict) or "state" not in content:
        raise BadInput(f"{path} must be a checkpoint of hasten; found {type(content).__name__} without a state.")
    return content
