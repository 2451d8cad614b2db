"""One training from its first step to its result: the loop, with what is shown and what is saved."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from torch import nn

from hasten.base.errors import BadInput, HastenError, OthersGone, TrainingFailed
from hasten.base.records.notices import Activity
from hasten.base.records.plan import Plan
from hasten.base.records.run import (
    Evaluation,
    Event,
    Finished,
    Progress,
    RolledBack,
    RunResult,
    Started,
    StopReason,
)
from hasten.base.seeds import preserved
from hasten.base.units import finite, plural
from hasten.base.user_code import location_of, message_of, sample_of
from hasten.training.building import build
from hasten.training.checkpoint import Best, Loaded
from hasten.training.data_notes import data_notes
from hasten.training.final_weights import put_final_weights
from hasten.training.lazy import initialize_lazy
from hasten.training.loop import train
from hasten.training.processes import others_gone
from hasten.training.recipe import Recipe
from hasten.training.replay import difference_between_replays
from hasten.training.run_folder import CHECKPOINT, locked
from hasten.training.saving import Saving, Show
from hasten.training.session import Session
from hasten.training.sharding import load_weights
from hasten.training.signals import ends_cleanly
from hasten.training.step import left_out
from hasten.training.stopping import LIMITS, converged, limit_reached
from hasten.training.technique import labels_of

__all__ = ["Show", "Trained", "Watch", "plain_model", "run_training"]


class Watch(Protocol):
    """Looks at a training between its first step and its last, and changes nothing that is computed."""

    def watching(self, run: Session, show: Show) -> AbstractContextManager[object]:
        """Watch the steps of a session until the context ends, and show what is found."""
        ...

    def see(self, event: Event) -> None:
        """Look at an event; the session is whole."""
        ...


@dataclass(frozen=True)
class Trained:
    """A training that has ended: its result, and the plain model."""

    result: RunResult
    model: nn.Module
    interrupted_by: int | None


def run_training(
    recipe: Recipe,
    plan: Plan,
    *,
    show: Show,
    folder: Path | None = None,
    resume: bool = False,
    seed: int | None = None,
    watch: Watch | None = None,
    rollbacks: int = 0,
) -> Trained:
    """Train a recipe to its end.

    Args:
        recipe: the plan applied to the task.
        plan: what the recipe came from, for the record.
        show: called with every event.
        folder: where metrics and checkpoints go; None to keep nothing. Of processes that train together the first
            writes it, with the parts of a divided state of all, and all resume from it and go back to its checkpoints.
        resume: continue from the folder's newest whole checkpoint.
        seed: in place of the task's.
        watch: what looks at the steps.
        rollbacks: how often the run goes back to its last good checkpoint, to leave out the batch that made a loss or a
            parameter NaN or infinite (`hasten.training.rollback`); after that it ends there, as with 0.

    Raises:
        BadInput: if the folder cannot be written or is in use, or its checkpoint is of another training; if there are
            rollbacks and no folder.
        TrainingFailed: if the task's code raises an error; the message has file, line, step and sample.
        OthersGone: if another process that trains with this one ended, or does not answer.
        Interrupted: if a second signal ends the run at once.
    """
    if rollbacks and folder is None:
        raise BadInput("a training goes back to a checkpoint of its run folder: give it one, or leave rollbacks out.")
    processes = recipe.parallel.processes
    written = folder if processes is None or processes.rank == 0 else None
    with locked(written) if written is not None else nullcontext():
        run = build(recipe, seed=seed)
        saving = Saving(run, plan, written, show, parts_in=folder if recipe.parallel.sharded else None)
        with ends_cleanly(run, saving.saved), saving:
            if resume and folder is not None:
                loaded = _resumed(run, saving, folder)
                if (reason := _ended(run)) is not None:
                    saving.note(_ended_text(run, reason))
                    saving.stop_recording()
                else:
                    _check_replay(run, loaded, saving, show)
            for text in (*data_notes(recipe, saved=folder is not None), *recipe.parallel.notes):
                saving.note(text)
            saving.keep(_started(run, plan))
            back_to = folder / CHECKPOINT if rollbacks and folder is not None else None
            if back_to is not None and run.position.step == 0:
                saving.save()
            finished = _trained(run, saving, watch, back_to, rollbacks)
            if count := left_out(run):
                saving.note(f"{plural(count, 'update')} left out: gradients were not finite.")
            if count := run.rollbacks.steps_skipped:
                saving.note(
                    f"{plural(count, 'step')} without an update: the training was not finite with their batches."
                )
            saving.save(diverged=finished.reason is StopReason.NON_FINITE)
        return _ending(run, plan, saving, finished, written)


def _resumed(run: Session, saving: Saving, folder: Path) -> Loaded:
    """Continue from the newest checkpoint of a folder; of several processes the first one writes there."""
    processes = run.recipe.parallel.processes
    if processes is None:
        return saving.resume()
    path = folder / CHECKPOINT
    return processes.first_here(saving.resume if processes.rank == 0 else partial(saving.resume_beside, path))


def _trained(run: Session, saving: Saving, watch: Watch | None, back_to: Path | None, rollbacks: int) -> Finished:
    """Make the training's steps, keep its events, and return the last one.

    With `back_to`, its newest checkpoint, the run goes back so many times in place of an end that is not finite.
    """
    events = train(run)
    with watch.watching(run, saving.tell) if watch is not None else nullcontext():
        while True:
            with _located(run, saving):
                event = next(events)
            if (
                back_to is not None
                and isinstance(event, Finished)
                and event.reason is StopReason.NON_FINITE
                and _went_back(run, saving, back_to, rollbacks, event.detail)
            ):
                events = train(run)
                continue
            saving.keep(event)
            if watch is not None:
                watch.see(event)
            if isinstance(event, Finished):
                return event


def _went_back(run: Session, saving: Saving, path: Path, limit: int, detail: str) -> bool:
    """Go back to a checkpoint before what is not finite, to find the batch that did it or to leave it out.

    Args:
        run: the session.
        saving: keeps its events and reads its checkpoints.
        path: of the newest one.
        limit: of rollbacks.
        detail: what is not finite.

    Returns:
        False, with a note why, if the limit is reached, or what did it may be older than all checkpoints.
    """
    progress, before, processes = saving.events[-1], run.rollbacks, run.recipe.parallel.processes
    assert isinstance(progress, Progress), "what is not finite is found in a report"
    after, most = before.found(progress)
    if after.made > limit:
        saving.note(f"{detail}, and the training has gone back {plural(limit, 'time')} already.")
        return False
    saving.settle()
    go_back = partial(saving.go_back, path, most)
    if not (go_back() if processes is None else processes.first_here(go_back)):
        saving.note(f"{detail}, and there is no checkpoint of at most {plural(most, 'step')} to go back to.")
        return False
    run.rollbacks = after
    skipped = after.skipped[-1] if after.skipped != before.skipped else None
    saving.rolled_back(
        RolledBack(
            step=run.position.step,
            found_at=progress.step,
            detail=detail,
            skipped=skipped,
            made=after.made,
            limit=limit,
        )
    )
    return True


def _ending(run: Session, plan: Plan, saving: Saving, finished: Finished, folder: Path | None) -> Trained:
    """Return the result and the model with the weights to end with, which are saved."""
    best, diverged = saving.best, finished.reason is StopReason.NON_FINITE
    returned = best if diverged or finished.reason is StopReason.PATIENCE else None
    step = finished.step if returned is None else returned.step
    model = plain_model(run, returned)
    if diverged:
        kept = (
            "no weights are saved"
            if best is None
            else f"those of the best evaluation (step {step}) are returned and saved"
        )
        saving.note(f"training diverged; {kept}.")
    if returned is not None or not diverged:
        other = best if best is not None and best.step != step else None
        saving.save_weights(model, other and _fresh_model(run, other))
    return Trained(
        result=_result(run, plan, saving.events, finished, folder, weights_step=step),
        model=model,
        interrupted_by=run.interrupted_by,
    )


def plain_model(run: Session, best: Best | None = None) -> nn.Module:
    """Return the trained model with every surgery undone, last first: a module that knows nothing of hasten.

    It holds the weights to end with (`hasten.training.final_weights`), or those of `best`; the run cannot continue
    after this.
    """
    put_final_weights(run)
    if best is not None:
        load_weights(run.model, best.weights)
    return _undone(run.model, run.recipe)


def _fresh_model(run: Session, best: Best) -> nn.Module:
    """Return another plain model with the best weights, beside the one of the run."""
    with preserved():
        model = run.recipe.task.model()
        initialize_lazy(model, run.recipe.forward.predict, run.recipe.subject.batch)
        for surgery in run.recipe.model:
            model = surgery.change(model)
    load_weights(model, best.weights)
    return _undone(model, run.recipe)


def _undone(model: nn.Module, recipe: Recipe) -> nn.Module:
    for surgery in reversed(recipe.model):
        model = surgery.undo(model)
    return model


@contextmanager
def _located(run: Session, saving: Saving) -> Generator[None]:
    """Turn an error of the person's code into one that says in which line, step and sample it was raised."""
    try:
        yield
    except HastenError:
        raise
    except (Exception, SystemExit) as error:
        if others_gone(error):
            stopped = f"stopped after step {run.position.step}: another process has ended or does not answer."
            raise OthersGone(f"{stopped} {saving.settled()}") from error
        what = f"the code called sys.exit({error.code!r})" if isinstance(error, SystemExit) else message_of(error)
        pending, step = run.stop_state.evaluation_pending, run.position.step
        when = f"evaluating after step {step}" if pending else f"step {step + 1}"
        where = f", raised at {found}" if (found := location_of(error)) else ""
        sample = "" if (index := sample_of(error)) is None else f", sample {index} of the {_part(pending)} data"
        raise TrainingFailed(f"training failed at {when}: {what}{where}{sample}. {saving.settled()}") from error


def _part(pending: bool) -> str:
    return "validation" if pending else "training"


def _ended(run: Session) -> StopReason | None:
    """Return the rule by which a run that was just loaded has ended before, if it has."""
    reason = converged(run) or limit_reached(run)
    return None if reason in LIMITS and run.stop_state.evaluation_pending else reason


def _ended_text(run: Session, reason: StopReason) -> str:
    return (
        f"this run has already ended, after step {run.position.step}: {reason.value}. Nothing is trained. "
        "To train on, resume with a later stop (for example more epochs)."
    )


def _check_replay(run: Session, loaded: Loaded, saving: Saving, show: Show) -> None:
    """Say so if two steps from the loaded state differ: the resumed run then cannot equal an uninterrupted one."""
    show(Activity(text="repeating a step to check that the run resumes exactly"))
    with _located(run, saving):
        what = difference_between_replays(run, loaded.state)
    if what is not None:
        saving.note(
            "the resumed run will differ from an uninterrupted one: repeated from the same state, a step gave "
            f"{what}. It depends on something that no checkpoint holds (a global variable, a file), or a kernel is not "
            "deterministic. Keep such state in an attribute or a buffer, or give its object `state_dict` and "
            "`load_state_dict`."
        )


def _started(run: Session, plan: Plan) -> Started:
    return Started(
        task=run.recipe.task.name,
        plan=plan.labels,
        seed=run.seed,
        step=run.position.step,
        total_steps=run.recipe.subject.planned_steps,
        metric_name=run.quality.name,
        target=run.recipe.task.stop.target,
        uses=labels_of(run.recipe.uses),
        command=run.recipe.task.command,
    )


def _result(
    run: Session, plan: Plan, events: list[Event], finished: Finished, folder: Path | None, *, weights_step: int
) -> RunResult:
    evaluations = tuple(event for event in events if isinstance(event, Evaluation))
    last = evaluations[-1] if evaluations else None
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
        samples_per_s=run.position.samples_used / max(finished.elapsed_s, 1e-9),
        evaluations=evaluations,
        folder=str(folder) if folder else None,
        best_step=run.stop_state.best_step,
        weights_step=weights_step,
    )
