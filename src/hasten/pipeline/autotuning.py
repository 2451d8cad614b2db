"""A training that finds its plan in its own steps, and goes on with it when it is resumed."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.record import load, save
from hasten.base.records.run import Event
from hasten.base.records.trial import Tuning
from hasten.techniques.applying import make
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe
from hasten.training.running import Show, Watch
from hasten.training.session import Session
from hasten.tuning.inside import Candidates, Decided, Inside

FOUND = Path("autotune.json")
"""In the run's folder: what the tuning inside the run has found."""


def tuning_inside(recipe: Recipe, machine: Machine, *, folder: Path | None, show: Show) -> Watch | None:
    """Return what tunes a training in its own steps, or goes on with what it found before; None where nothing can pay.

    Candidates are asked for their numerical gates now, before the training begins.

    Args:
        recipe: the baseline that is trained.
        machine: what it runs on.
        folder: of the run; what was found there is used.
        show: called with why nothing is tried.
    """
    if folder is not None and (folder / FOUND).exists():
        return going_on(folder, machine)
    candidates = Candidates(recipe, machine, [make(name) for name in techniques()])
    if candidates.why_not:
        show(Note(text=f"no tuning inside the training: {candidates.why_not}"))
        return None
    return Inside(candidates, keep=lambda tuning: None if folder is None else save(tuning, folder / FOUND))


def going_on(folder: Path, machine: Machine) -> Watch | None:
    """Return what puts the plan in place that a run has found inside; None where it found none.

    Raises:
        BadInput: if its record cannot be read.
    """
    if not (folder / FOUND).exists():
        return None
    plan = load(Tuning, folder / FOUND).plan
    return Decided([make(one.technique, one.knobs) for one in plan.choices], machine) if plan.choices else None


class Together:
    """Several watches over one training."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    @contextmanager
    def watching(self, run: Session, show: Show) -> Generator[None]:
        """Let all watch."""
        with ExitStack() as stack:
            for one in self._watches:
                stack.enter_context(one.watching(run, show))
            yield

    def see(self, event: Event) -> None:
        """Show all an event."""
        for one in self._watches:
            one.see(event)
