"""The profile of a recipe: run its real loop for a while, and say where the time and the memory of a step go."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from hasten.base.errors import BadInput
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.profile import PartTime, Profile
from hasten.base.seeds import preserved
from hasten.base.units import percent, seconds
from hasten.measurement.clock import DeviceMarks, Marks, step_times_ns
from hasten.measurement.memory import peak_memory
from hasten.measurement.resident import rss_peak
from hasten.profiling.anatomy import Anatomy, Times, anatomy, shares, warm
from hasten.profiling.timeout import TimeLimit, time_limit
from hasten.training.checkpoint import save_checkpoint
from hasten.training.evaluation import evaluate
from hasten.training.loop import OTHER, PARTS, step, train
from hasten.training.recipe import Recipe
from hasten.training.running import CHECKPOINT_EVERY_S
from hasten.training.session import Session, build, steps_per_epoch
from hasten.training.task import Stop

BUDGET_S = 10.0
TIMEOUT_S = 120.0
_FEWEST_STEPS = 4
_NEVER = 10**15
_SHORT_S = 1.0
_LAST = ("evaluation", "checkpoint", "other", "hiccups")


@dataclass(frozen=True)
class Between:
    """What a training does between its steps: seconds of one evaluation, of one checkpoint, and how often."""

    evaluation_s: float
    steps_per_evaluation: int
    checkpoint_s: float


def profile(
    recipe: Recipe,
    machine: Machine,
    *,
    plan: Sequence[str] = (),
    steps: int | None = None,
    budget_s: float = BUDGET_S,
    timeout_s: float = TIMEOUT_S,
) -> Profile:
    """Return where the time and the memory of a recipe's step go.

    The model is built anew and trained by the real loop for a while; nothing of it is kept, and the global random
    generators are left as they were found. Evaluation and checkpoint are timed once and spread over their steps.

    Args:
        recipe: what to profile.
        machine: what it runs on.
        plan: names of the techniques in the recipe, for the record.
        steps: at most so many, those that warm up included; None for as many as the budget allows.
        budget_s: seconds of training, without building and evaluation.
        timeout_s: seconds after which a step, or an evaluation, counts as hanging.

    Raises:
        BadInput: if the model has nothing to train, or a step hangs. An error of the task's own is passed on.
    """
    begin = perf_counter()
    with preserved(), time_limit(timeout_s, f"building {recipe.task.name!r}") as limit:
        run = build(recipe)
        build_s = perf_counter() - begin
        _require_parameters(run)
        times = timed_steps(run, steps=steps, budget_s=budget_s, limit=limit)
        found = anatomy(warm(times))
        limit.restart("the evaluation")
        between = time_between(run, recipe.task.stop)
        limit.restart("a step with its memory watched")
        peak_bytes = step_peak_bytes(run)
    parts = part_times(found, between)
    return Profile(
        task=recipe.task.name,
        plan=tuple(plan),
        steps=found.steps,
        step_s=found.step_s,
        samples_per_s=recipe.input.batch_size / found.step_s.value,
        parts=parts,
        parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        peak_bytes=peak_bytes,
        verdict=first_verdict(found, parts),
        batch_size=recipe.input.batch_size,
        device=recipe.parallel.device,
        build_s=build_s,
        first_step_s=float(times[0].sum()),
        evaluation_s=between.evaluation_s,
        steps_per_evaluation=between.steps_per_evaluation,
        checkpoint_s=between.checkpoint_s,
        spent_s=perf_counter() - begin,
    )


def timed_steps(run: Session, *, steps: int | None, budget_s: float, limit: TimeLimit) -> Times:
    """Run the loop without evaluations and return the seconds of each part of each step, (steps, parts)."""
    most = steps or _NEVER
    task = replace(run.recipe.task, stop=Stop(steps=_NEVER, evaluate_every=most))
    run.recipe = replace(run.recipe, task=task)
    limit.restart("the first step")
    clock = Marks() if run.recipe.parallel.device == "cpu" else DeviceMarks()
    begin = perf_counter()
    with closing(train(run, clock.mark)) as events:
        for _ in events:
            limit.restart(f"step {run.place.step + 1}")
            over = perf_counter() - begin >= budget_s and run.place.step > _FEWEST_STEPS
            if over or run.place.step >= most:
                clock.mark(OTHER)  # the loop says what has happened before it marks the end of the step
                break
    return step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9


def time_between(run: Session, stop: Stop) -> Between:
    """Time one evaluation and one checkpoint of the run.

    Args:
        run: a session that has made some steps.
        stop: the task's own stop rules, which say how often it evaluates.
    """
    with run.switched_on():
        evaluation_s = _duration_s(partial(evaluate, run))
        if evaluation_s < _SHORT_S:
            evaluation_s = _duration_s(partial(evaluate, run))  # the first one has built its metric, too
    with TemporaryDirectory() as folder:
        plan, path = Plan(task=run.recipe.task.name), Path(folder) / "checkpoint.pt"
        checkpoint_s = _duration_s(partial(save_checkpoint, run, plan, path))
    return Between(evaluation_s, stop.evaluate_every or steps_per_epoch(run.recipe), checkpoint_s)


def part_times(found: Anatomy, between: Between) -> tuple[PartTime, ...]:
    """Return every part of a training with its seconds per step and its share of all of them."""
    step_s = found.step_s.value
    named = dict(zip(PARTS, found.parts_s, strict=True)) | {
        "evaluation": between.evaluation_s / between.steps_per_evaluation,
        "checkpoint": between.checkpoint_s * step_s / CHECKPOINT_EVERY_S,
        "hiccups": found.hiccups_s,
    }
    ordered = [*(name for name in PARTS if name not in _LAST), *_LAST]
    share = shares([named[name] for name in ordered])
    return tuple(
        PartTime(name=name, seconds=named[name], share=part) for name, part in zip(ordered, share, strict=True)
    )


def step_peak_bytes(run: Session) -> int:
    """Return the most memory that one step needs at once: exact where its operators can be watched, else resident."""

    def one_step() -> None:
        step(run, next(run.batches())[1])

    with run.switched_on():
        try:
            return peak_memory(one_step, device=run.recipe.parallel.device).peak_bytes
        except BadInput:  # compiled code cannot be watched
            run.optimizer.zero_grad()
            return rss_peak(one_step).peak_bytes


def first_verdict(found: Anatomy, parts: Sequence[PartTime]) -> str:
    """Return one sentence that says where most of the time goes, and how much of it is spent waiting for data."""
    largest = max(parts, key=lambda part: part.share)
    waiting = next(part for part in parts if part.name == "input")
    sentence = (
        f"A step takes {seconds(found.step_s.value)}; {percent(largest.share)} of the time goes to {largest.name}"
    )
    if largest is waiting:
        return f"{sentence}: the model waits for data."
    return f"{sentence}, {percent(waiting.share)} to waiting for data."


def _duration_s(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def _require_parameters(run: Session) -> None:
    if not run.parameters:
        raise BadInput(
            f"the model of {run.recipe.task.name!r} must have parameters to train; found none with requires_grad."
        )
