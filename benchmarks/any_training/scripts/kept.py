"""What a script leaves to compare: its parameters, and the moment of every update of its first optimizer."""

from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

_MOMENTS: list[float] = []
_FIRST: list[Any] = []


def _note(optimizer: Any, args: object, kwargs: object) -> None:
    _FIRST[:] = _FIRST or [optimizer]
    if optimizer is _FIRST[0]:
        _MOMENTS.append(perf_counter())


register_optimizer_step_post_hook(_note)


def keep(path: str | Path, *models: torch.nn.Module) -> None:
    """Write the parameters and buffers of all models, and the moments, to a file."""
    torch.save({"states": [model.state_dict() for model in models], "moments": _MOMENTS}, path)
