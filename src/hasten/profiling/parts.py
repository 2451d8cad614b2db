"""Time of a training per step: the parts of the step, and evaluation and checkpoints between steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from hasten.base.records.profile import PartTime
from hasten.base.units import percent, seconds
from hasten.profiling.anatomy import Anatomy
from hasten.training.checkpoint import copied_checkpoint, divided_checkpoint
from hasten.training.evaluation import evaluate
from hasten.training.marks import PARTS
from hasten.training.saving import CHECKPOINT_EVERY_S
from hasten.training.session import Session
from hasten.training.task import Stop

_SHORT_S = 1.0
_LAST = ("evaluation", "checkpoint", "other", "hiccups")


@dataclass(frozen=True)
class Between:
    """What a training does between its steps: seconds of an evaluation, of the copy for a checkpoint, and how often."""

    evaluation_s: float
    steps_per_evaluation: int | None  # None where a stream has no end
    checkpoint_s: float


def time_between(run: Session, stop: Stop) -> Between:
    """Time one evaluation of the run and what it waits for one checkpoint.

    Args:
        run: a session that has made some steps. Its switches must be on.
        stop: the task's own stop rules, which say how often it evaluates.
    """
    evaluation_s = _duration_s(partial(evaluate, run))
    if evaluation_s < _SHORT_S and run.processes is None:  # several need not find the same
        evaluation_s = _duration_s(partial(evaluate, run))  # the first one has built its metric, too
    copy = divided_checkpoint if run.recipe.parallel.sharded else copied_checkpoint
    checkpoint_s = _duration_s(partial(copy, run, {}, Path("checkpoint.pt")))  # a thread writes it
    steps = stop.evaluate_every or run.recipe.subject.steps_per_epoch
    return Between(evaluation_s, steps, checkpoint_s)


def part_times(found: Anatomy, between: Between) -> tuple[PartTime, ...]:
    """Return every part of a training with its seconds per step and its share of all of them."""
    step_s = found.step_s.value
    named = dict(zip(PARTS, found.parts_s, strict=True)) | {
        "evaluation": between.evaluation_s / (between.steps_per_evaluation or math.inf),
        "checkpoint": between.checkpoint_s * step_s / CHECKPOINT_EVERY_S,
        "hiccups": found.hiccups_s,
    }
    return shared_out({name: named[name] for name in (*(name for name in PARTS if name not in _LAST), *_LAST)})


def shared_out(seconds_of: dict[str, float]) -> tuple[PartTime, ...]:
    """Return the parts with their shares of the sum."""
    total = sum(seconds_of.values())
    return tuple(PartTime(name=name, seconds=value, share=value / total) for name, value in seconds_of.items())


def first_verdict(step_s: float, parts: Sequence[PartTime]) -> str:
    """Return one sentence with the largest part of the step and the share of waiting for data."""
    largest = max(parts, key=lambda part: part.share)
    waiting = next(part for part in parts if part.name == "input")
    sentence = f"A step takes {seconds(step_s)}; {percent(largest.share)} of it is {largest.name}"
    if largest is waiting:
        return f"{sentence}: the model waits for data."
    return f"{sentence}, {percent(waiting.share)} waiting for data."


def _duration_s(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin
