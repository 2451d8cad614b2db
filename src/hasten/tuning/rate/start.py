"""Where branches begin: a session, its state, the data order of its seed, and the held-out samples that judge it."""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice

from hasten.base.seeds import derive, seed_all
from hasten.data.batch import Batch, nbytes_of
from hasten.training.building import build
from hasten.training.evaluation import loss_on, own_values
from hasten.training.loss import Loss
from hasten.training.position import Position
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.budget import check_time
from hasten.tuning.reference_step import State, put, same_batches, state_of

HELD_OUT_SAMPLES = 2048
"""Of the validation data, the same for every branch: differences between branches are then far smaller than losses."""
KEPT_BYTES = 256 << 20
"""Of batches that are kept from branch to branch, so that they are read once; above, each branch reads them anew."""

COOL_DOWN = 0.2
"""Of a branch, in which the rate falls to about zero along a straight line: without it, noise hides what a rate gained,
and the lowest rate looks best."""

_ROUNDING = 1e-6
"""Of a step: 15 of 22 steps, times 22, is a little less than 15 in floating point."""

Rates = Callable[[int], tuple[float, float]]
"""Number of a step -> (share of the training that its schedule is at, factor of its rates)."""


@dataclass
class Start:
    """The beginning of a training with one seed, to which every branch returns bit for bit."""

    run: Session
    state: State
    held_out: list[Batch]
    batches: list[tuple[Position, Batch]] = field(default_factory=list[tuple[Position, Batch]])
    """Those of the data order that are kept, and where the session stands in the step that each is for."""

    @property
    def own_rates(self) -> tuple[float, ...]:
        """The learning rates of the parameter groups as the task has them."""
        return tuple(float(rate) for rate in self.run.base_lrs)


def start_of(recipe: Recipe, number: int) -> Start:
    """Build the session of a repeat: another initialization and another data order for each number."""
    run = build(recipe, seed=derive(recipe.task.seed, "rate", number) % 10_000)
    return Start(run, state_of(run), list(run.held_out(HELD_OUT_SAMPLES)))


def train_from(start: Start, rates: Rates, steps: int) -> Generator[Loss]:
    """Yield the loss of each of so many steps from the start, in the data order and dropout of its seed."""
    run = start.run
    put(run, start.state)
    seed_all(derive(run.seed, "rate"))
    with run.contexts:
        for number, batch in enumerate(_batches(start, steps)):
            check_time()
            share, factor = rates(number)
            set_rates(run, share, factor)
            yield step(run, batch)


def cooled(number: int, steps: int) -> float:
    """Return the factor of the rate in a step of a branch of so many: 1, and in its last part a line towards zero."""
    return min(1.0, (steps - number) / (COOL_DOWN * steps))


def set_rates(run: Session, share: float, factor: float) -> None:
    """Put the rates that the task's schedule has after a share of the training, times a factor, into all groups."""
    for group, rate in zip(run.optimizer.param_groups, run.base_lrs, strict=True):
        group["lr"] = rate
    own, run.position = run.position, _position_at(run, share)
    run.set_learning_rate()
    run.position = own
    for group in run.optimizer.param_groups:
        group["lr"] = group["lr"] * factor


def score(start: Start) -> float:
    """Return how good the model is as it stands: its held-out loss, else its metric, lower is better; NaN as infinity.

    The metric judges where `Task.validate` is all that there is and returns no loss.
    """
    run = start.run
    if start.held_out:
        found = loss_on(run, start.held_out)
    else:
        values = own_values(run)
        metric = values[run.quality.name]
        found = values.get("loss", -metric if run.quality.higher_is_better else metric)
    return math.inf if math.isnan(found) else found


def _batches(start: Start, steps: int) -> Iterator[Batch]:
    """Yield the first batches of the data order; those that memory holds are read once."""
    run, kept = start.run, start.batches
    if len(kept) >= steps:
        for position, batch in kept[:steps]:
            run.position = Position(**asdict(position))
            yield batch
        return
    keeps = run.sampling is None  # a sampling must see which samples a step is made of
    for number, batch in enumerate(islice(same_batches(run), steps)):
        if keeps and number == len(kept) and (number + 1) * nbytes_of(batch) <= KEPT_BYTES:
            kept.append((Position(**asdict(run.position)), batch))
        yield batch


def _position_at(run: Session, share: float) -> Position:
    """Return where the training stands after a share of it."""
    planned, limit_s = run.recipe.subject.planned_steps, run.recipe.task.stop.seconds
    step_number = math.floor(share * (planned or 0) + _ROUNDING)
    per_epoch = run.recipe.subject.steps_per_epoch
    epoch = step_number // per_epoch if per_epoch else 0
    offset = (step_number - epoch * per_epoch) * run.recipe.input.batch_size if per_epoch else 0
    return Position(step=step_number, epoch=epoch, offset=offset, elapsed_s=share * (limit_s or 0.0))
