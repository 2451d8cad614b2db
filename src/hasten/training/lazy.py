"""Lazy modules, whose parameters have no shape before the first batch."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from hasten.data.batch import Batch


def initialize_lazy(
    model: nn.Module, predict: Callable[[nn.Module, Batch], Any], first_batch: Callable[[], Batch]
) -> None:
    """Give lazy parameters their shapes and values by one forward pass, in evaluation mode, without gradients.

    A model without lazy parameters is left alone, and no batch is loaded for it. The values are drawn from the global
    generators, as in a dry run that torch's documentation asks for before the optimizer is made.
    """
    if not any(map(is_lazy, itertools.chain(model.parameters(), model.buffers()))):
        return
    batch, training = first_batch(), model.training
    model.eval()
    with torch.no_grad():
        predict(model, batch)
    model.train(training)
