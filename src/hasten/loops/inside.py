"""Tuning inside a loop that its owner keeps: blocks of its own steps are made with and without techniques.

Techniques take part that change the calls of the model and of the loss, or process-wide settings, and that kept their
guarantee in steps on copies of the objects (`hasten.loops.verifying`). So every step of the loop counts.
"""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import distributed, nn, optim

from hasten.base.errors import BadInput
from hasten.base.records.effect import Line, Outcome, Report
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE
from hasten.base.units import plural, seconds
from hasten.data.batch import size_of
from hasten.loops.given import Given
from hasten.loops.planning import planned
from hasten.loops.verifying import Apply, judged
from hasten.measurement.paired import LEAST_STEPS
from hasten.techniques.applying import apply_all, compatible, make
from hasten.training.building import forward_alone
from hasten.training.calls import Function, around_function, prepared
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.budget import now_s
from hasten.tuning.context import Hints
from hasten.tuning.own_steps import FEWEST_BLOCKS, SHARE, OwnSteps, fewest_s
from hasten.tuning.search.factors import Setting
from hasten.tuning.trials import blank

WARM_STEPS = 3
"""Steps of the loop that are not timed: the first ones build the state of the optimizer and fill caches."""
TIMED_STEPS = 3
"""Steps that say how long one takes."""
FEWEST_STEPS = math.ceil(2 * FEWEST_BLOCKS * LEAST_STEPS / SHARE)
"""Of a loop that is tuned: fewer leave no time for the steps on copies and for blocks of 3 steps."""


@dataclass(frozen=True)
class Candidates:
    """Techniques that may be tried in the steps of a loop, and why others, or all, may not; and the seconds it took."""

    proven: tuple[Technique, ...] = ()
    trials: tuple[Trial, ...] = ()
    why_not: str = ""
    spent_s: float = 0.0


def candidates_of(
    chosen: Sequence[Technique],
    given: Given,
    plain: Recipe,
    machine: Machine,
    *,
    named: bool,
    verify: int,
    apply: Apply,
) -> Candidates:
    """Return the techniques that can be turned on and off in a loop and keep their guarantee in its first steps.

    Args:
        chosen: what may be tried.
        given: the objects of the loop, which stay as they are.
        plain: its recipe.
        machine: what it runs on.
        named: whether each of these gets a trial, also if it can take no part.
        verify: steps on copies of the objects.
        apply: see `hasten.loops.verifying.Verification`.

    Raises:
        BadInput: if the loop has no batches that can be read more than once, does not say how many steps it makes,
            has a compiled model, or is one of several processes.
    """
    began, steps = now_s(), given.steps
    if steps is None:
        raise BadInput("tune= needs steps=, the updates that the loop will make: the experiment takes 5 % of them.")
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        raise BadInput("several processes are not tuned inside their loop: tune before, with hasten.tune_loop.")
    if hasattr(given.model, "_orig_mod") or given.model._compiled_call_impl is not None:
        raise BadInput("a compiled model is not tuned inside its loop, where each setting would compile it anew.")
    if steps < FEWEST_STEPS:
        why = f"{plural(steps, 'step')} are too few to earn an experiment back; {FEWEST_STEPS} or more are not"
        return Candidates(why_not=why)
    switched, trials = list[Technique](), list[Trial]()
    for one in chosen:
        why = _why_not_switched(one, given, plain, machine)
        if why is None:
            switched.append(one)
        elif named:
            trials.append(blank(one, Verdict.NOT_APPLICABLE, why))
    proven = list[Technique]()
    for group in compatible(switched):
        wrong, _ = judged(group, given, verify, apply)
        trials += [blank(one, Verdict.INACCURATE, why) for one in group if (why := wrong.get(one.card.name))]
        proven += [one for one in group if one.card.name not in wrong]
    why = "" if proven else "no technique that can be turned on and off in this loop applies and keeps its guarantee"
    return Candidates(tuple(proven), tuple(trials), why, now_s() - began)


def _why_not_switched(one: Technique, given: Given, plain: Recipe, machine: Machine) -> str | None:
    """Return why a technique cannot be turned on and off between two steps of a loop; None where it can."""
    if one.card.guarantee not in FREE:
        return "it changes more than rounding, which a few steps cannot prove"
    if not one.card.saves_time:
        return "it does not save time"
    if one.card.setup_s:
        return "it compiles, which each setting would do anew: try it with `hasten.apply` and compare"
    done = planned([one], given, plain, machine)
    for line in (*done.refused, *done.todo):
        return line.detail
    alone = forward_alone(plain, done.recipe) and done.recipe.forward.loss is plain.forward.loss
    if not alone or done.recipe.forward == plain.forward:
        return "it changes more than the calls of model and loss, which cannot be turned on and off in a loop under way"
    return None


class Inside:
    """A tuning in the steps of a loop.

    A step is timed from the first call of the model in training mode to the end of the update.

    Attributes:
        tuning: what was found, once it is.

    Args:
        candidates: what may be on.
        given: the objects of the loop.
        plain: its recipe.
        machine: what it runs on.
    """

    def __init__(self, candidates: Candidates, given: Given, plain: Recipe, machine: Machine) -> None:
        self._candidates, self._given, self._plain, self._machine = candidates, given, plain, machine
        self.tuning = self._nothing(candidates.why_not) if candidates.why_not else None

    def begin(self, model: nn.Module, optimizer: optim.Optimizer, undo: ExitStack) -> Any:
        """Watch the steps of a loop and try the candidates in them; return what to call as the loss.

        Args:
            model: as the loop calls it.
            optimizer: of the loop.
            undo: ends it and takes back what is in place.
        """
        self._model = model
        self._called = self._given.loss
        self._updates, self._samples, self._began_s, self._waits = 0, 0, math.nan, False
        self._in_place, self._watching = undo.enter_context(ExitStack()), undo.enter_context(ExitStack())
        if self.tuning is not None:
            self.go_on(self.tuning)
        else:
            self._experiment = self._experimenting()
            next(self._experiment)
            self._watching.callback(self._experiment.close)
            self._watching.callback(optimizer.register_step_post_hook(self._after_update).remove)
        return self._loss if callable(self._called) and not isinstance(self._called, nn.Module) else self._called

    def go_on(self, found: Tuning) -> None:
        """End the search, and let the loop make its steps with a plan that was found before."""
        self._watching.close()
        self._end(found)

    def _end(self, found: Tuning) -> None:
        self.tuning = found
        self._in_place.close()
        self._put([make(one.technique, one.knobs) for one in found.plan.choices])(self._in_place)

    def report(self) -> Report:
        """Return what became of all that was tried."""
        if self.tuning is None:
            tried = (Line(technique=one.card.name, outcome=Outcome.TRIED) for one in self._candidates.proven)
            return Report(lines=tuple(tried))
        return Report(
            lines=tuple(
                Line(technique=one.technique, outcome=_OUTCOME.get(one.verdict, Outcome.NOT_KEPT), detail=one.reason)
                for one in self.tuning.trials
            ),
            remark=self.tuning.remark,
        )

    def _loss(self, *args: Any, **options: Any) -> Any:
        """Call the loss as the setting under way does; the loop may keep this function."""
        return self._called(*args, **options)

    def _noticed(self, function: Function) -> Function:
        """Return the call of the model, whose first one in a step begins it."""

        def call(model: Any, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
            if model.training and torch.is_grad_enabled():
                if math.isnan(self._began_s):
                    if self._waits:
                        self._plain.device.synchronize()
                    self._began_s = now_s()
                self._samples += _samples_of(given[0] or given[1])
            return function(model, given)

        return call

    def _after_update(self, *args: Any) -> None:
        if math.isnan(self._began_s):  # no pass of the model, or all is decided: a hook that runs cannot be removed
            return
        if self._waits:
            self._plain.device.synchronize()
        spent_s, samples, self._began_s, self._samples = now_s() - self._began_s, self._samples, math.nan, 0
        self._updates += 1
        try:
            self._waits = self._experiment.send((spent_s, samples))
        except StopIteration as ended:
            self._end(ended.value)

    def _experimenting(self) -> Generator[bool, tuple[float, int], Tuning]:
        """Take seconds and samples of each step, yield whether the device must end the next; return what was found."""
        times_s = list[float]()
        with ExitStack() as undo:
            self._put((), watched=True)(undo)
            for number in range(WARM_STEPS + TIMED_STEPS):
                spent_s, _ = yield number >= WARM_STEPS
                times_s.append(spent_s)
        step_s = median(times_s[WARM_STEPS:])
        assert self._given.steps is not None, "there are no candidates without"
        whole_s = self._given.steps * step_s
        if fewest_s(step_s) > SHARE * whole_s:
            return self._nothing(f"the loop takes about {seconds(whole_s)}: too short to earn an experiment back")

        def prepare(setting: Setting) -> None:
            puts[setting] = self._put(steps.techniques(setting), watched=True)

        puts = dict[Setting, Callable[[ExitStack], None]]()
        steps = OwnSteps(
            self._candidates.proven,
            prepare,
            machine=self._machine,
            step_s=step_s,
            ends_s=SHARE * whole_s,
            hints=Hints(),
        )
        while (setting := steps.setting()) is not None:
            with ExitStack() as undo:
                puts[setting](undo)
                while not steps.made(*(yield steps.waits)):
                    pass
        return steps.found(
            task=self._given.name,
            before=self._candidates.trials,
            before_s=self._candidates.spent_s,
            remark=f"Found in the first {self._updates} steps of this loop, which count as any others.",
        )

    def _nothing(self, why: str) -> Tuning:
        name, one = self._given.name, self._candidates
        return Tuning(
            task=name,
            budget_s=0.0,
            spent_s=one.spent_s,
            noise=None,
            smallest_difference=0.01,
            trials=(*one.trials, *(blank(some, Verdict.INCONCLUSIVE, "not tried") for some in one.proven)),
            plan=Plan(task=name),
            remark=f"No tuning inside the loop: {why}.",
        )

    def _put(self, techniques: Sequence[Technique], *, watched: bool = False) -> Callable[[ExitStack], None]:
        """Return what puts techniques around the calls of the loop, and a watch; it may be used again and again."""
        forward, loss = apply_all(techniques, self._plain, self._machine).forward, self._given.loss
        called, puts = loss, list[Callable[[], Callable[[], None]]]()
        if forward.wrappers or watched:  # the wrappers are called here, once
            around = (*forward.wrappers, self._noticed) if watched else forward.wrappers
            puts.append(prepared(self._model, around))
        if forward.wrappers and isinstance(loss, nn.Module):
            puts.append(prepared(loss, forward.wrappers))
        elif forward.wrappers and loss is not None:
            called = around_function(loss, forward.wrappers)

        def put(undo: ExitStack) -> None:
            for make_context in forward.contexts:
                undo.enter_context(make_context())
            for one in puts:
                undo.callback(one())
            undo.callback(setattr, self, "_called", loss)
            self._called = called

        return put


_OUTCOME = {
    Verdict.KEPT: Outcome.APPLIED,
    Verdict.NOT_APPLICABLE: Outcome.REFUSED,
    Verdict.INACCURATE: Outcome.REFUSED,
}


def _samples_of(arguments: Any) -> int:
    """Return the samples of a call of a model; 1 where its arguments do not say how many they are."""
    try:
        return size_of(arguments)
    except BadInput:
        return 1
