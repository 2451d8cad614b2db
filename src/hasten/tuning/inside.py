"""Tuning inside a training: settings are timed in blocks of its own steps, which advance it as any others do.

Only techniques that change the forward pass alone can be turned on and off on the model and the optimizer of a training
under way, and only those that passed their gate before it began take part. So every step keeps the guarantee.
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from hasten.base.errors import Refused
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval
from hasten.base.records.run import Event
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE
from hasten.base.units import percent, seconds
from hasten.data.batch import Batch, size_of
from hasten.techniques.applying import apply_all, conflict, in_order, knobs_of, why_refused
from hasten.training.building import build, with_forward
from hasten.training.loss import Loss
from hasten.training.marks import Mark, unmarked
from hasten.training.recipe import Recipe
from hasten.training.running import Show
from hasten.training.session import Session
from hasten.training.step import Step
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.begin import why_not_begun
from hasten.tuning.break_even import planned_s
from hasten.tuning.budget import now_s
from hasten.tuning.context import open_laboratory, steps_per_block
from hasten.tuning.known import versions_of
from hasten.tuning.proving import unproven
from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.model import Gain
from hasten.tuning.search.search import Infeasible, Search
from hasten.tuning.selection import factors_of
from hasten.tuning.state import untouched
from hasten.tuning.timing import ratio_of
from hasten.tuning.trials import blank, names

SHARE, HARD_STOP = 0.05, 0.1
"""Of the planned training: for the gates and for the blocks of the experiment, and for both together."""
LONGEST_S = 600.0
"""For an experiment in a training without an end."""
FEWEST_BLOCKS = 16


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
        needed_s = 2 * FEWEST_BLOCKS * steps_per_block(lab.step_s) * lab.step_s
        if needed_s > SHARE * whole_s:
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
        left, passed = list(switched), list[Technique]()
        while left:
            group = list[Technique]()
            for one in left:
                if conflict([other.card for other in (*group, one)]) is None:
                    group.append(one)
            left = [one for one in left if one not in group]
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
        self._blocks: list[Setting] = []
        self._count, self._step_s = 0, self._lab.step_s

    @contextmanager
    def watching(self, run: Session, show: Show) -> Generator[None]:
        """Try the candidates in the steps of a session until everything is decided, then train with the plan."""
        self._run, self._show, self._own_step = run, show, run.step
        self._plain = replace(run)
        self._forwards = {NONE: self._plain}
        whole_s = min(planned_s(run.recipe, self._lab.step_s), LONGEST_S / SHARE)
        self._ends_s, self._spent_s = SHARE * whole_s, 0.0
        factors = factors_of(self._lab, self._chosen)
        self._ground = _Steps(self, factors)
        self.search = Search(factors, self._ground, seed=run.seed, again=len(self._chosen))
        self._asked: Iterator[list[Setting]] = self.search.asked()
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
        if not self._blocks and not self._next_group():
            return run.step(run, batch, mark)
        setting = self._blocks[-1]
        began = now_s()
        loss = self.made(setting, batch, mark)
        if self._count == 0:  # a step after a switch is not timed
            run.recipe.device.synchronize()
            self._block_s, self._samples = 0.0, 0
        else:
            if self._count == steps_per_block(self._step_s):
                run.recipe.device.synchronize()
            self._block_s += now_s() - began
            self._samples += size_of(batch)
        self._spent_s += now_s() - began
        self._count += 1
        if self._count > steps_per_block(self._step_s):
            self.search.note(setting, math.log(self._block_s / self._samples))
            self._count = 0
            self._blocks.pop()
        return loss

    def made(self, setting: Setting, batch: Batch, mark: Mark) -> Loss:
        """Make a step with a setting's forward pass."""
        run, forward = self._run, self._forwards[setting]
        _switch(run, forward)
        try:
            with forward.contexts:
                return self._own_step(run, batch, mark)
        finally:
            _switch(run, self._plain)

    def forward_of(self, setting: Setting) -> None:
        """Make the forward pass of a setting, over the model of the training."""
        if setting in self._forwards:
            return
        recipe = apply_all(self._plan(setting), self._lab.recipe, self._lab.machine)
        found = with_forward(self._plain, recipe)
        if found is None:
            raise Infeasible(setting)
        self._forwards[setting] = found

    def left_s(self) -> float:
        """Return the seconds of steps that are left for the experiment."""
        return self._ends_s - self._spent_s

    def _plan(self, setting: Setting) -> tuple[Technique, ...]:
        return tuple(self._chosen[one] for one in sorted(setting) if one < len(self._chosen))

    def _next_group(self) -> bool:
        """Ask the search for the next group; return whether there is one. At the end the plan is put in place."""
        group = next(self._asked, None)
        if group is not None:
            self._blocks = group
            return True
        plan = self.search.plan
        self.forward_of(plan)
        self.tuning = self._found()
        self._keep(self.tuning)
        self._show(self.tuning)
        self._run.step = put_in_place(self._run, self._plain, self._forwards[plan])
        return False

    def _found(self) -> Tuning:
        """Return the record: the plan with what each technique gains, and what was not kept."""
        search, lab = self.search, self._lab
        trials = [*self._candidates.trials, *(self._trial(one) for one in range(len(self._chosen)))]
        kept = {self._chosen[one]: self._ratio(one) for one in search.plan}
        choices = tuple(Choice(technique=one.card.name, knobs=knobs_of(one), gain=kept[one]) for one in in_order(kept))
        whole, noise = search.whole(), search.noise()
        return Tuning(
            task=lab.recipe.task.name,
            budget_s=self._ends_s,
            spent_s=self._candidates.spent_s + self._spent_s,
            noise=None if noise is None or not math.isfinite(noise.half) else ratio_of(noise),
            smallest_difference=0.01,
            trials=tuple(trials),
            plan=Plan(
                task=lab.recipe.task.name, choices=choices, machine=lab.machine.cpu, versions=versions_of(lab.machine)
            ),
            speedup=ratio_of(whole, len(search.readings)) if kept and math.isfinite(whole.half) else None,
            remark=f"Found in the first {self._run.position.step} steps of this training, which count as any others.",
        )

    def _trial(self, one: int) -> Trial:
        gain, technique = self.search.gain(one), self._chosen[one]
        if one in self.search.plan:
            base = names(self._plan(self.search.factors.off(self.search.plan, one)))
            why = f"{messages.ratio(self._ratio(one))} as fast{messages.beside(base)}"
            return _with_gain(blank(technique, Verdict.KEPT, why), self._ratio(one))
        if not math.isfinite(gain.half):
            return blank(technique, Verdict.INCONCLUSIVE, "not measured: budget used up")
        shown = messages.ratio(self._ratio(one))
        if gain.high < 0:
            verdict, why = Verdict.SLOWER, f"{shown}: slower"
        elif self.search.unclear(one):
            verdict, why = Verdict.INCONCLUSIVE, f"{shown}: inconclusive: budget used up"
        else:
            verdict, why = Verdict.NO_DIFFERENCE, f"{shown}: no gain above {percent(0.01)}"
        return _with_gain(blank(technique, verdict, why), self._ratio(one))

    def _ratio(self, one: int) -> Interval:
        return ratio_of(self.search.gain(one), sum(one in setting for setting in self.search.readings.settings))


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


class _Steps:
    """The steps of a training as the ground of a search, which asks for blocks and gets their times later."""

    def __init__(self, inside: Inside, factors: Factors) -> None:
        self._inside, self._factors = inside, factors
        self._built: set[Setting] = set()

    def ready(self, setting: Setting) -> None:
        self._inside.forward_of(setting)
        self._built.add(setting)

    def block(self, setting: Setting) -> float:
        raise AssertionError("blocks are made by the training")

    def built(self) -> list[Setting]:
        return list(self._built)

    def block_s(self, setting: Setting) -> float:
        step_s = self._inside._lab.step_s
        return (steps_per_block(step_s) + 1) * step_s

    def setup_s(self, setting: Setting) -> float:
        return 0.0

    def left_s(self) -> float:
        return self._inside.left_s()

    def closing_s(self, plan: Setting) -> float:
        return 0.0

    def unfit(self, plan: Setting, gains: Mapping[int, Gain]) -> Setting:
        return NONE


def _with_gain(trial: Trial, ratio: Interval) -> Trial:
    return msgspec.structs.replace(trial, speedup=ratio)


def _switch(run: Session, forward: Session) -> None:
    """Let a session compute the forward pass as another one over the same model does."""
    run.predict, run.loss, run.around = forward.predict, forward.loss, forward.around
