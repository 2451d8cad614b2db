"""One training from its first step to its result: the loop, with what is shown and what is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Event, Finished, RunResult, Started, StopReason
from hasten.base.units import finite
from hasten.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from hasten.training.final_weights import put_final_weights
from hasten.training.loop import train
from hasten.training.recipe import Recipe
from hasten.training.run_folder import CHECKPOINT, WEIGHTS, append_event, forget_after, read_events
from hasten.training.session import Session, build, total_steps
from hasten.training.signals import ends_cleanly

CHECKPOINT_EVERY_S = 60.0

Show = Callable[[object], None]


@dataclass(frozen=True)
class Trained:
    """A training that has ended: what it says of itself, and the plain model."""

    result: RunResult
    model: nn.Module
    interrupted_by: int | None


def run_training(
    recipe: Recipe, plan: Plan, *, show: Show, folder: Path | None = None, resume: bool = False, seed: int | None = None
) -> Trained:
    """Train a recipe to its end.

    Args:
        recipe: the plan applied to the task.
        plan: what the recipe came from, for the record.
        show: called with every event.
        folder: where metrics and checkpoints go; None to keep nothing.
        resume: go on from the folder's checkpoint.
        seed: in place of the task's.

    Raises:
        BadInput: if the folder cannot be written or its checkpoint is of another training.
    """
    run = build(recipe, seed=seed)
    events: list[Event] = []
    if folder is not None and resume:
        load_checkpoint(run, plan, folder / CHECKPOINT)
        forget_after(folder, run.position.step)
        events.extend(read_events(folder))
    saved_at_s = run.position.elapsed_s

    def keep(event: Event) -> None:
        events.append(event)
        if folder is not None:
            append_event(folder, event)
        show(event)

    with ends_cleanly(run):
        keep(_started(run, plan))
        for event in train(run):
            keep(event)
            if folder is not None and run.position.elapsed_s - saved_at_s > CHECKPOINT_EVERY_S:
                save_checkpoint(run, plan, folder / CHECKPOINT)
                saved_at_s = run.position.elapsed_s
        if folder is not None:
            save_checkpoint(run, plan, folder / CHECKPOINT)
    model = plain_model(run)
    if folder is not None:
        save_weights(model, folder / WEIGHTS)
    return Trained(result=_result(run, plan, events, folder), model=model, interrupted_by=run.interrupted_by)


def plain_model(run: Session) -> nn.Module:
    """Return the trained model with every surgery undone, last first: a module that knows nothing of hasten.

    It holds the weights to end with (`hasten.training.final_weights`); the run cannot go on after this.
    """
    put_final_weights(run.optimizer)
    model = run.model
    for surgery in reversed(run.recipe.model):
        model = surgery.undo(model)
    return model


def _started(run: Session, plan: Plan) -> Started:
    return Started(
        task=run.recipe.task.name,
        plan=plan.labels,
        seed=run.seed,
        step=run.position.step,
        total_steps=total_steps(run.recipe),
        metric_name=run.quality.name,
        target=run.recipe.task.stop.target,
    )


def _result(run: Session, plan: Plan, events: list[Event], folder: Path | None) -> RunResult:
    evaluations = tuple(event for event in events if isinstance(event, Evaluation))
    finished = next(event for event in reversed(events) if isinstance(event, Finished))
    last = evaluations[-1] if evaluations else None
    samples = run.position.epoch * run.samples + run.position.offset
    return RunResult(
        task=run.recipe.task.name,
        metric_name=run.quality.name,
        higher_is_better=run.quality.higher_is_better,
        target=run.recipe.task.stop.target,
        plan=plan.labels,
        seed=run.seed,
        reason=finished.reason,
        steps=finished.step,
        elapsed_s=finished.elapsed_s,
        time_to_target_s=last.elapsed_s if last and finished.reason is StopReason.TARGET else None,
        best_metric=finite(run.stop_state.best),
        final_metric=last.metric if last else None,
        final_valid_loss=last.valid_loss if last else None,
        samples_per_s=samples / max(finished.elapsed_s, 1e-9),
        evaluations=evaluations,
        folder=str(folder) if folder else None,
    )
