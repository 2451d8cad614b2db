"""Tuning inside a training: settings are timed in blocks of its own steps, which advance it as any others do.

Only techniques that change the forward pass alone can be turned on and off on the model and the optimizer of a training
under way, and only those that passed their gate before it began take part. So every step keeps the guarantee.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hasten.base.errors import Refused
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.run import Event
from hasten.base.records.trial import Trial, Tuning
from hasten.base.stages import FREE
from hasten.base.units import seconds
from hasten.data.batch import Batch, size_of
from hasten.techniques.applying import apply_all, compatible, why_refused
from hasten.training.building import build, with_forward
from hasten.training.loss import Loss
from hasten.training.marks import Mark, unmarked
from hasten.training.recipe import Recipe
from hasten.training.running import Show
from hasten.training.session import Session
from hasten.training.step import Step
from hasten.training.technique import Technique
from hasten.tuning.begin import why_not_begun
from hasten.tuning.break_even import planned_s
from hasten.tuning.budget import now_s
from hasten.tuning.context import open_laboratory
from hasten.tuning.own_steps import HARD_STOP, SHARE, OwnSteps, fewest_s
from hasten.tuning.proving import unproven
from hasten.tuning.search.factors import NONE, Setting
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.state import untouched

LONGEST_S = 600.0
"""For an experiment in a training without an end."""


class Candidates:
    """Techniques that may be tried in a training, found and proven before it begins.

    Attributes:
        lab: of the baseline, with its gates.
        proven: passed their gate together.
        trials: of those that did not.
        why_not: why nothing is tried; empty where something is.
    """

    def __init__(self, recipe: Recipe, machine: Machine, chosen: Sequence[Technique]) -> None:
        began = now_s()
        self.lab, self.proven, self.trials = (
            open_laboratory(recipe, machine, LONGEST_S),
            list[Technique](),
            list[Trial](),
        )
        self.why_not = ""
        with untouched():
            self._find(chosen)
        self.spent_s = now_s() - began

    def _find(self, chosen: Sequence[Technique]) -> None:
        lab = self.lab
        switched = self._switched(chosen)
        if not switched:
            self.why_not = "no technique that applies here can be turned on in a training under way"
            return
        if (why := why_not_begun(lab)) is not None:
            self.why_not = why
            return
        whole_s = min(planned_s(lab.recipe, lab.step_s), LONGEST_S / SHARE)
        if fewest_s(lab.step_s) > SHARE * whole_s:
            self.why_not = f"the training takes about {seconds(whole_s)}: too short to earn an experiment back"
            return
        self.lab = open_laboratory(lab.recipe, lab.machine, HARD_STOP * whole_s)
        self.lab.step_s, self.lab.build_s = lab.step_s, lab.build_s
        self.proven = self._passed(switched)
        if not self.proven:
            self.why_not = "no technique was proven to keep its guarantee within the time for that"

    def _switched(self, chosen: Sequence[Technique]) -> list[Technique]:
        """Return the techniques that apply and change the forward pass alone."""
        lab, run = self.lab, build(self.lab.recipe)
        found = list[Technique]()
        for one in chosen:
            card = one.card
            if card.guarantee not in FREE or not card.saves_time or card.setup_s:
                continue
            if why_refused(one, lab.recipe, lab.machine) is None:
                changed = apply_all((one,), lab.recipe, lab.machine)
                if changed.forward is not lab.recipe.forward and with_forward(run, changed) is not None:
                    found.append(one)
        return found

    def _passed(self, switched: Sequence[Technique]) -> list[Technique]:
        """Return what passes its gate together; those of which one conflicts with another are asked apart."""
        passed = list[Technique]()
        for group in compatible(switched):
            while group:
                broken, _ = unproven(self.lab, group, dict.fromkeys(group, "faster"), dict.fromkeys(group, ()))
                self.trials += broken.values()
                if not broken:
                    break
                group = [one for one in group if one not in broken]
            passed += group
        return passed


class Inside:
    """A tuning on the steps of a training; see `hasten.training.running.Watch`.

    Attributes:
        tuning: what was found, once it is.

    Args:
        candidates: what may be on; the training's baseline is theirs.
        keep: called with what was found, between two steps.
    """

    def __init__(self, candidates: Candidates, keep: Callable[[Tuning], object]) -> None:
        self.tuning: Tuning | None = None
        self._keep = keep
        self._candidates, self._lab, self._chosen = candidates, candidates.lab, candidates.proven
        self._forwards: dict[Setting, Session] = {}

    @contextmanager
    def watching(self, run: Session, show: Show) -> Generator[None]:
        """Try the candidates in the steps of a session until everything is decided, then train with the plan."""
        self._run, self._show, self._own_step = run, show, run.step
        self._plain = replace(run)
        self._forwards = {NONE: self._plain}
        lab = self._lab
        whole_s = min(planned_s(run.recipe, lab.step_s), LONGEST_S / SHARE)
        self._steps = OwnSteps(
            self._chosen,
            self._prepare,
            machine=lab.machine,
            step_s=lab.step_s,
            ends_s=SHARE * whole_s,
            hints=lab.hints,
            seed=run.seed,
        )
        run.step = self._step
        try:
            yield
        finally:
            run.step = self._own_step
        if self.tuning is None:
            show(Note(text="the training ended before its tuning: no technique was kept"))

    def see(self, event: Event) -> None:
        """Look at nothing."""

    def _step(self, run: Session, batch: Batch, mark: Mark = unmarked) -> Loss:
        """Make a step of the training with the setting of the block under way."""
        setting = self._steps.setting()
        if setting is None:
            self._decide()
            return run.step(run, batch, mark)
        began, waits = now_s(), self._steps.waits
        loss = self._made(setting, batch, mark)
        if waits:
            run.recipe.device.synchronize()
        self._steps.made(now_s() - began, size_of(batch))
        return loss

    def _made(self, setting: Setting, batch: Batch, mark: Mark) -> Loss:
        """Make a step with a setting's forward pass."""
        run, forward = self._run, self._forwards[setting]
        _switch(run, forward)
        try:
            with forward.contexts:
                return self._own_step(run, batch, mark)
        finally:
            _switch(run, self._plain)

    def _prepare(self, setting: Setting) -> None:
        """Make the forward pass of a setting, over the model of the training."""
        recipe = apply_all(self._steps.techniques(setting), self._lab.recipe, self._lab.machine)
        found = with_forward(self._plain, recipe)
        if found is None:
            raise Infeasible(setting)
        self._forwards[setting] = found

    def _decide(self) -> None:
        """Put the plan in place, and show and keep what was found."""
        plan = self._steps.search.plan
        if plan not in self._forwards:
            self._prepare(plan)
        self.tuning = self._steps.found(
            task=self._lab.recipe.task.name,
            before=self._candidates.trials,
            before_s=self._candidates.spent_s,
            remark=f"Found in the first {self._run.position.step} steps of this training, which count as any others.",
        )
        self._keep(self.tuning)
        for item in (*self.tuning.trials, self.tuning):
            self._show(item)
        self._run.step = put_in_place(self._run, self._plain, self._forwards[plan])


class Decided:
    """A plan that an earlier part of a training has found, put in place when it goes on; a `Watch`.

    Args:
        plan: its techniques.
        machine: what it runs on.
    """

    def __init__(self, plan: Sequence[Technique], machine: Machine) -> None:
        self._plan, self._machine = plan, machine

    @contextmanager
    def watching(self, run: Session, show: Show) -> Generator[None]:
        """Train a session with the plan.

        Raises:
            Refused: if a technique cannot be used here.
        """
        plain, own_step = replace(run), run.step
        forward = with_forward(plain, apply_all(self._plan, run.recipe, self._machine))
        if forward is None:
            raise Refused("the plan that was found inside this run changes more than the forward pass here.")
        run.step = put_in_place(run, plain, forward)
        try:
            yield
        finally:
            run.step = own_step

    def see(self, event: Event) -> None:
        """Look at nothing."""


def put_in_place(run: Session, plain: Session, forward: Session) -> Step:
    """Let a session train with a forward pass from now on, and return the step to use.

    Process-wide settings are on in steps alone: what evaluates between them keeps the plain forward pass.
    """
    own_step = plain.step
    if not forward.recipe.forward.contexts:
        _switch(run, forward)
        return own_step

    def step(run: Session, batch: Batch, mark: Mark) -> Loss:
        _switch(run, forward)
        try:
            with forward.contexts:
                return own_step(run, batch, mark)
        finally:
            _switch(run, plain)

    return step


def _switch(run: Session, forward: Session) -> None:
    """Let a session compute the forward pass as another one over the same model does."""
    run.predict, run.loss, run.around = forward.predict, forward.loss, forward.around
