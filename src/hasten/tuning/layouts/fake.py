"""A training on torch's fake tensors, which have shapes and no memory: a model of any size makes steps."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.records.machine import Machine
from hasten.data.batch import Batch, map_tensors
from hasten.techniques.baseline import untried_baseline
from hasten.training.counting import SAMPLES
from hasten.training.loss import ClassLoss, LossFunction, with_counting
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Task


@dataclass(frozen=True)
class Fake:
    """A training whose model has fake tensors.

    Only the model's factory and the steps run in the mode, so that random generators and data stay real.
    """

    recipe: Recipe
    mode: FakeTensorMode

    def batch(self, batch: Batch) -> Batch:
        """Return the fake counterpart of a batch."""
        return map_tensors(batch, self.mode.from_tensor)


def on_fake_tensors(task: Task, machine: Machine) -> Fake:
    """Return a task's training on fake tensors of the CPU, whatever device it is for.

    What its loss divides by is taken for the number of labels, since fake labels cannot be counted.

    Raises:
        BadInput: if the techniques that the task uses cannot be applied.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def model() -> nn.Module:
        with mode:
            return task.model()

    plain = baseline(replace(task, model=model))
    plain = plain.with_forward(loss=_counting_all(plain.forward.loss))
    return Fake(untried_baseline(plain, machine), mode)


def _counting_all(loss: LossFunction) -> LossFunction:
    if isinstance(loss, ClassLoss):
        return replace(loss, ignore_index=None, weight=None)
    return with_counting(loss, SAMPLES)


class _One(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.ops.aten._local_scalar_dense.default:
            return func(*args, **(kwargs or {}))
        number: Tensor = args[0]
        return 1.0 if number.is_floating_point() else number.dtype is torch.bool or 1


@contextmanager
def every_number_is_one() -> Generator[None]:
    """Let what is read of a fake tensor be 1: in a step whose own reading of counts and losses decides nothing."""
    with _One():
        yield
