"""Short trainings beside the plain one: the validation loss after as many samples, paired by seed."""

import math
from dataclasses import replace

import torch
from torch.utils.data import TensorDataset

from hasten.base.records.record import Interval
from hasten.base.records.run import Evaluation
from hasten.data.loading.gather import take
from hasten.measurement.statistics import few_ratios
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import Recipe
from hasten.training.task import Data, Task
from hasten.tuning.budget import now_s

VALID_SAMPLES = 1024
FEWEST_SEEDS = 2
"""That are trained even where the time is short, for one says nothing."""
LONGEST = 10
"""Times the fair share of the time for one training, after which it is given up."""
NEVER = 10**9


def cut(recipe: Recipe, *, steps: int) -> Recipe:
    """Return the recipe on fewer samples and without a target, so that its own epochs take about so many steps.

    The samples are drawn once, in whole batches; the validation data are cut to 1,024 and looked at once, at the end.
    """
    task, whole = recipe.task, recipe.subject.planned_steps
    assert whole is not None, "the tasks of the table have epochs"
    size, samples = recipe.input.batch_size, len(task.data.train)  # type: ignore[arg-type]
    batches = max(2, round(min(1.0, steps / whole) * samples / size))
    data = Data(train=_drawn(task, "train", batches * size), valid=_drawn(task, "valid", VALID_SAMPLES))
    stop = replace(task.stop, target=None, evaluate_every=NEVER)
    return replace(recipe, task=replace(task, data=data, stop=stop))


def _drawn(task: Task, part: str, count: int) -> TensorDataset:
    dataset = getattr(task.data, part)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    return TensorDataset(*take(dataset, order[:count]))


def last_losses(recipe: Recipe, *, seeds: int, limit_s: float) -> list[float]:
    """Return the validation loss at the end of a training from each seed, infinite where it is not finite.

    Beyond two, no training is begun that would end after the time limit. One that takes ten times its share of the
    time is given up, and those after it are not begun.
    """
    began, losses = now_s(), list[float]()
    for seed in range(seeds):
        started = now_s()
        if len(losses) >= FEWEST_SEEDS and (started - began) * (1 + 1 / len(losses)) > limit_s:
            break
        last = math.nan
        for event in train(build(recipe, seed=seed)):
            if isinstance(event, Evaluation):
                last = math.inf if event.valid_loss is None else event.valid_loss
            if now_s() - started > LONGEST * limit_s / seeds:
                return losses
        losses.append(last)
    return losses


def change(mine: list[float], plain: list[float]) -> Interval | None:
    """Return the loss with a technique over that without, of the seeds that both have; None of fewer than two.

    A loss that is not finite makes it infinite.
    """
    ratios = [one / other for one, other in zip(mine, plain, strict=False)]
    if len(ratios) < 2:
        return None
    if not all(map(math.isfinite, ratios)):
        return Interval(value=math.inf, low=math.inf, high=math.inf, n=len(ratios))
    return few_ratios(ratios)
