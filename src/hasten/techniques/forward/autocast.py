"""Autocast around what a recipe computes."""

import functools
from dataclasses import dataclass
from typing import Any

import torch

from hasten.base.device import Device
from hasten.training.calls import Function


@dataclass(frozen=True)
class Autocast:
    """Runs a function under `torch.autocast`, as one of the `around` of a recipe.

    Args:
        device: that the function computes on.
        format: of the products.
    """

    device: str
    format: torch.dtype

    def __call__(self, function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any) -> Any:
            with torch.autocast(Device(self.device).kind, dtype=self.format):
                return function(*args)

        return wrapped
