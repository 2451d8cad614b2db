"""What one training leaves behind: its events, its best weights and, in a run folder, its checkpoints."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Event, Finished, RolledBack, StopReason
from hasten.training.background import Background
from hasten.training.checkpoint import (
    Best,
    Loaded,
    copied_checkpoint,
    divided_checkpoint,
    header,
    load_checkpoint,
    load_checkpoint_beside,
    load_checkpoint_until,
    remove_unused_parts,
    save_checkpoint,
)
from hasten.training.checkpoint_file import checked
from hasten.training.checkpoint_parts import Parts, new_name, write_part
from hasten.training.final_weights import final_weights
from hasten.training.joint_writing import JointWriting
from hasten.training.run_folder import (
    BEST_WEIGHTS,
    CHECKPOINT,
    METRICS,
    NON_FINITE,
    WEIGHTS,
    append_event,
    clean_up,
    keep_until,
    read_events,
    staying,
)
from hasten.training.session import Session
from hasten.training.stopping import non_finite_parameter
from hasten.training.weights_file import save_weights

CHECKPOINT_EVERY_S = 60.0
_AFTER_DIVERGENCE = (
    "To avoid that, leave out the batches that do it (--rollbacks N), or start a new run with a lower learning rate or "
    "with gradient clipping."
)

Show = Callable[[object], None]


class Saving:
    """Keeps and shows the events of a training, and saves it.

    Args:
        run: a fresh session.
        plan: what its recipe came from.
        folder: of the run; None to keep only the events and, where the run may end by patience, the best weights.
        show: called with every event and note.
        parts_in: the same folder in all processes that have the model together: each writes its part of a checkpoint.

    Where each process keeps something of its own, the others take part in what the first one saves.

    A checkpoint that is due during the training is copied, and written by a thread while the training goes on: see
    `CHECKPOINT_EVERY_S`. A context: when it is left, what was being written is whole or its error is raised.
    """

    def __init__(
        self, run: Session, plan: Plan, folder: Path | None, show: Show, *, parts_in: Path | None = None
    ) -> None:
        self.events: list[Event] = []
        self.best: Best | None = None
        self._run, self._folder, self._show = run, folder, show
        ours = run.recipe.parallel
        self._head: dict[str, Any] = {} if folder is None and ours.processes is None else header(run, plan)
        self._in_parts = ours.sharded or ours.keeps
        self._saves = folder is not None or self._in_parts
        self._keeps_best = self._saves or run.recipe.task.stop.patience is not None
        self._background = Background()
        self._parts_in = parts_in
        self._joint: JointWriting | None = None
        if parts_in is not None:
            assert ours.processes is not None, "one process alone has no parts"
            self._joint = JointWriting(ours.processes, ours.device, self._background)
        self._saving_step: int | None = None  # of the newest checkpoint, whole or not yet
        self._saved_step: int | None = None
        self._saved_at_s = 0.0
        self._records = True
        self._checked = False

    def __enter__(self) -> Self:
        self._background.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.__exit__(kind, error, trace)

    def resume(self) -> Loaded:
        """Continue from the newest whole checkpoint of the folder, and show what there is to say about it.

        Raises:
            BadInput: if there is none, or it belongs to another training.
        """
        assert self._folder is not None, "a training without a folder has no checkpoint"
        run = self._run
        diverged = _divergence(self._folder)
        if diverged and not (self._folder / CHECKPOINT).exists():
            raise BadInput(f"{self._folder}: this run {diverged}, before its first checkpoint. {_AFTER_DIVERGENCE}")
        loaded = load_checkpoint(run, self._head, self._folder / CHECKPOINT)
        clean_up(self._folder)
        remove_unused_parts((self._folder / CHECKPOINT).parent)
        pending = run.stop_state.evaluation_pending
        self.events, damaged = keep_until(self._folder, run.position.step, evaluation_pending=pending)
        self.best = loaded.best
        self._saved_step, self._saved_at_s = run.position.step, run.position.elapsed_s
        if diverged:
            again = f"Repeating it from the checkpoint of step {run.position.step}; the same steps will diverge again."
            self.note(f"this run {diverged}. {again} {_AFTER_DIVERGENCE}")
        for note in (*loaded.notes, *damaged):
            self.note(note)
        if (missing := loaded.events - len(self.events) - len(damaged)) > 0:
            self.note(
                f"{self._folder / METRICS} lacks {missing} events of the steps before; it was cut off or edited. The "
                "weights are whole; what was lost is left out of the results."
            )
        return loaded

    def resume_beside(self, path: Path) -> Loaded:
        """Continue from a checkpoint that another process saves."""
        loaded = load_checkpoint_beside(self._run, self._head, path)
        self.best, self._saved_at_s = loaded.best, self._run.position.elapsed_s
        return loaded

    def go_back(self, path: Path, step: int) -> bool:
        """Continue from the newest whole checkpoint of at most so many steps; the clock goes on.

        Args:
            path: of the newest checkpoint.
            step: that it may have made.

        Returns:
            False, with the run as it was, if there is no such checkpoint.
        """
        run = self._run
        self._background.wait()
        elapsed_s = run.position.elapsed_s
        loaded = load_checkpoint_until(run, self._head, path, step)
        if loaded is None:
            return False
        self.best = loaded.best
        run.position.elapsed_s = self._saved_at_s = elapsed_s
        pending, damaged = run.stop_state.evaluation_pending, list[str]()
        if self._folder is None:
            self.events = staying(self.events, run.position.step, evaluation_pending=pending)
        else:
            self.events, damaged = keep_until(self._folder, run.position.step, evaluation_pending=pending)
        for note in (*loaded.notes, *damaged):
            self.note(note)
        return True

    def rolled_back(self, event: RolledBack) -> None:
        """Keep and show that the run has gone back, and save it in place of the newest checkpoint."""
        self._write(event)
        if self._joint is not None:
            self._save_parts(CHECKPOINT, events=len(self.events), keep_previous=False)
            self.settle()
        elif self._folder is not None:
            path, events = self._folder / CHECKPOINT, len(self.events)
            save_checkpoint(self._run, self._head, path, best=self.best, events=events, keep_previous=False)
            self._saved_step = event.step
        elif self._in_parts:
            self._run.state()
        self.tell(event)

    def keep(self, event: Event) -> None:
        """Keep and show an event, and save a checkpoint where one is due. The session is whole.

        Raises:
            BadInput: if the event cannot be written, or the checkpoint before could not.
        """
        if self._joint is None:
            self._background.check()
        else:
            self._joint.advance()
        self._write(event)
        if isinstance(event, Evaluation) and event.best and self._keeps_best:
            self.best = Best(event.step, _final_weights(self._run))
        self.tell(event)
        if not self._saves or not self._records:
            return
        if not self._checked and self._run.position.step > 0:
            checked(self._run.state())
            self._checked = True
        if isinstance(event, Finished):  # saved by whoever ends the run; its time is that of each process
            return
        if self._run.position.elapsed_s - self._saved_at_s > CHECKPOINT_EVERY_S:
            self._save()

    def _write(self, event: Event) -> None:
        self.events.append(event)
        if self._folder is not None and self._records:
            append_event(self._folder, event)

    def tell(self, record: object) -> None:
        """Show a record between two steps."""
        try:
            self._show(record)
        except BaseException:
            if not self._in_parts:  # the other processes know nothing of it
                self.save()  # the reader of the output has gone: keep what was trained
            raise

    def save(self, *, diverged: bool = False) -> None:
        """Save a checkpoint now; a state that is not finite is kept apart and replaces no good one."""
        self._save(diverged=diverged)
        self.settle()

    def settle(self) -> None:
        """Wait for what is being saved. A collective where each process writes its part."""
        if self._joint is None:
            self._background.wait()
        else:
            self._joint.finish()

    def _save(self, *, diverged: bool = False) -> None:
        """Begin to save a checkpoint; one that is still being written is waited for."""
        run = self._run
        if not self._saves or not self._records:
            return
        diverged = diverged or non_finite_parameter(run.named_parameters) is not None
        if self._folder is None and self._joint is None:
            run.state()
            self._saved_at_s = self._saved_at_s if diverged else run.position.elapsed_s
            return
        if diverged and self._joint is None:
            assert self._folder is not None, "others wait for the first process"
            save_checkpoint(run, self._head, self._folder / NON_FINITE, best=self.best, keep_previous=False)
            return
        if diverged:
            self._save_parts(NON_FINITE, keep_previous=False)
            return
        self.settle()  # before the copy: there is memory for one
        step = run.position.step
        kept = staying(self.events, step, evaluation_pending=run.stop_state.evaluation_pending)
        # the one before stays where this one adds no step, and where there may be more to leave out before this one
        older = step != self._saved_step and run.rollbacks.proven(step)
        if self._joint is not None:
            self._save_parts(CHECKPOINT, events=len(kept), keep_previous=older)
        else:
            assert self._folder is not None, "others wait for the first process"
            path, best = self._folder / CHECKPOINT, self.best
            write = copied_checkpoint(run, self._head, path, best=best, events=len(kept), keep_previous=older)
            self._saving_step = step
            self._background.start(partial(self._written, write, step))
        self._saved_at_s = run.position.elapsed_s

    def _save_parts(self, name: Path, *, events: int = 0, keep_previous: bool) -> None:
        """Begin to write this process's part of a checkpoint, and after all parts the rest. A collective."""
        run, processes = self._run, self._run.recipe.parallel.processes
        assert self._joint is not None, "one process alone writes whole checkpoints"
        assert self._parts_in is not None
        assert processes is not None
        self.settle()
        path, step = self._parts_in / name, run.position.step
        part, write = divided_checkpoint(
            run, self._head, path, best=self.best, events=events, keep_previous=keep_previous
        )
        parts = processes.of_first(new_name(step), run.recipe.parallel.device)

        def rest(found: Parts) -> None:
            write(found)
            if name == CHECKPOINT:
                self._saved_step = step

        self._saving_step = step
        self._joint.start(parts, partial(write_part, path, parts, processes.rank, part), rest)

    def _written(self, write: Callable[[], None], step: int) -> None:
        """Write a checkpoint, and note of which step it is."""
        write()
        self._saved_step = step

    def save_weights(self, model: nn.Module, best: nn.Module | None) -> None:
        """Save the weights of the plain model, and those of the best evaluation where they are others."""
        if self._folder is None:
            return
        for one, path in ((model, WEIGHTS), (best, BEST_WEIGHTS)):
            if one is not None and (left_out := save_weights(one, self._folder / path)):
                self.note(f"{path.name} has tensors only; left out: {', '.join(left_out)}.")

    def settled(self) -> str:
        """Say what is saved, once what is being written is whole or has failed."""
        try:
            self._background.wait()
        except BadInput as error:
            return f"{self.saved()} The one after it failed: {error}"
        return self.saved()

    def stop_recording(self) -> None:
        """Write no more events and checkpoints: the run has ended before."""
        self._records = False

    def note(self, text: str) -> None:
        """Show a note."""
        self._show(Note(text=text))

    def saved(self) -> str:
        """Say in one sentence what is saved so far; waits for nothing."""
        processes = self._run.recipe.parallel.processes
        if processes is not None and processes.rank:
            return "The first process says what is saved."
        if self._folder is None:
            return "Nothing is saved: the run has no folder."
        if self._background.busy:
            return f"The checkpoint of step {self._saving_step} is being saved in {self._folder}."
        if self._saved_step is None:
            return f"No checkpoint is saved yet in {self._folder}."
        return f"The checkpoint of step {self._saved_step} is saved in {self._folder}."


def _divergence(folder: Path) -> str | None:
    """Return where and how the run of a folder diverged, if that is how it ended."""
    ends = [event for event in read_events(folder)[0] if isinstance(event, Finished)]
    if not ends or ends[-1].reason is not StopReason.NON_FINITE:
        return None
    return f"diverged after step {ends[-1].step} ({ends[-1].detail})"


def _final_weights(run: Session) -> dict[str, Any]:
    """Return a copy on the CPU of the weights that the run is evaluated with."""
    with final_weights(run):
        state = run.model.state_dict()
        return {
            name: value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else deepcopy(value)
            for name, value in state.items()
        }
