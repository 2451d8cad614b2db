"""Paired experiments on a training step that its owner wrote.

def step(fast, batch):
    inputs, targets = batch
    loss = fast.loss(fast.model(inputs), targets)
    loss.backward()
    fast.optimizer.step()
    fast.optimizer.zero_grad()
    return loss

tuning = hasten.tune_loop(step, model=model, optimizer=optimizer, loader=loader, loss=criterion, budget_s=120)
hasten.save_plan(tuning.plan, "plan.toml")
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from time import perf_counter
from typing import Any, Self

import msgspec
from torch import Tensor, nn, optim

from hasten.base.errors import BadInput, HastenWarning, Refused, error_text
from hasten.base.records.comparison import Comparison
from hasten.base.records.effect import Outcome
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.trial import Gate, Trial, Tuning, Verdict
from hasten.base.seeds import preserved, seed_all
from hasten.base.stages import FREE, Guarantee
from hasten.data.batch import Batch
from hasten.loops.apply import Applied, applied
from hasten.loops.given import Given, check_optimizer
from hasten.machine import facts
from hasten.measurement.paired import LEAST_DELTA, compare
from hasten.techniques.applying import conflict, in_order, knobs_of, make
from hasten.techniques.registry import techniques
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.state import untouched
from hasten.tuning.trials import blank, judged

OwnStep = Callable[[Applied, Any], Any]
"""(objects with a plan applied, batch) -> loss. Makes one update."""
PROOF_STEPS = 10
ROUNDED, NARROW = 1e-3, 2e-2
"""Largest difference of a loss in those steps, as a share of it, for ROUNDING and PRECISION."""
FIRST_SHARE = 0.6
"""Of the budget, for trying each technique alone; the rest is for combining them and measuring the plan afresh."""


def tune_loop(
    step: OwnStep,
    *,
    model: nn.Module,
    optimizer: optim.Optimizer,
    loader: Iterable[Any],
    loss: Callable[..., Any] | None = None,
    budget_s: float = 60.0,
    only: Iterable[str] | None = None,
    example: Batch | None = None,
    name: str = "loop",
) -> Tuning:
    """Try techniques on copies of a loop's objects in paired experiments; return every trial and the plan they prove.

    Techniques that `hasten.apply` can carry out without lines in the loop are tried, but for those that compile: each
    block of an experiment would compile anew. The proof is weaker than the gates of `hasten.tune`: the losses of ten
    steps from the same state and seed, equal bit for bit for EXACT, within 0.1 % for ROUNDING, 2 % for PRECISION.

    The objects given, the global generators and torch's settings stay as they are.

    Args:
        step: makes one update with `fast.model`, `fast.optimizer` and `fast.loss` and returns the loss.
        model: see `hasten.apply`.
        optimizer: see `hasten.apply`.
        loader: see `hasten.apply`; iterated many times.
        loss: see `hasten.apply`.
        budget_s: seconds.
        only: names of the techniques to try; None for all.
        example: see `hasten.apply`.
        name: of the loop, and of the plan's task.

    Raises:
        BadInput: if the budget is not positive, the loader can be iterated only once, or `step` returns no loss.
    """
    if not budget_s > 0:
        raise BadInput(f"the budget of tuning must be above 0 s; found {budget_s}.")
    if isinstance(loader, Iterator):
        raise BadInput("tune_loop iterates over the loader many times; found an iterator. Pass what makes it.")
    check_optimizer(model, optimizer)
    device = str(next(model.parameters()).device)
    given = Given(
        model=model,
        optimizer=optimizer,
        loader=loader,
        loss=loss,
        scheduler=None,
        example=example,
        steps=None,
        device=device,
        name=name,
    )
    chosen = [make(one) for one in (techniques() if only is None else only)]
    began = perf_counter()
    with untouched(), preserved(), warnings.catch_warnings():
        warnings.simplefilter("ignore", HastenWarning)  # a refusal is a trial here
        return _Experiments(step, given, budget_s, began).tuning(chosen)


class _Side:
    """One side of a comparison: copies of the objects with a plan applied, and the owner's step on them."""

    def __init__(self, step: OwnStep, given: Given, plan: Sequence[Technique]) -> None:
        self._step = step
        self.model, self.optimizer, loss = deepcopy((given.model, given.optimizer, given.loss))
        mine = replace(given, model=self.model, optimizer=self.optimizer, loss=loss)
        self.fast = applied(plan, mine, strict=True)
        self._batches: Iterator[Any] = iter(())
        self._depth = 0  # a block is called outside of a `with` statement, too

    def __enter__(self) -> Self:
        if self._depth == 0:
            self.fast.__enter__()
            self._batches = self._endless()
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._batches = iter(())
            self.fast.__exit__(*error)

    def __call__(self, steps: int) -> None:
        with self:
            for _ in range(steps):
                self._step(self.fast, next(self._batches))

    def losses(self, steps: int) -> list[float]:
        """Return the losses of the first steps, drawn from a fixed seed.

        Raises:
            BadInput: if the step returns no number.
        """
        seed_all(0)
        with self:
            return [_number(self._step(self.fast, next(self._batches))) for _ in range(steps)]

    def _endless(self) -> Iterator[Any]:
        while True:
            empty = True
            for batch in self.fast.loader:
                empty = False
                yield batch
            if empty:
                raise BadInput("the loader has no batch.")


def _number(loss: Any) -> float:
    if not isinstance(loss, float | Tensor):
        raise BadInput(f"step(fast, batch) must return the loss; it returned {type(loss).__name__}.")
    return float(loss.detach()) if isinstance(loss, Tensor) else loss


class _Experiments:
    """The trials of one tuning, and the plan so far."""

    def __init__(self, step: OwnStep, given: Given, budget_s: float, began: float) -> None:
        self.step, self.given, self.budget_s, self.began = step, given, budget_s, began
        self.trials: list[Trial] = []
        self.expected = _Side(step, given, ()).losses(PROOF_STEPS)

    def tuning(self, chosen: Sequence[Technique]) -> Tuning:
        candidates = [one for one in chosen if not self._ruled_out(one)]
        survivors: list[tuple[float, Technique]] = []
        for number, one in enumerate(candidates):
            left_s = FIRST_SHARE * self.budget_s - self._spent_s()
            trial = self._tried(one, (), left_s / (len(candidates) - number))
            self.trials.append(trial)
            if trial.verdict is Verdict.KEPT and trial.speedup is not None:
                survivors.append((trial.speedup.value, one))
        plan, gains = self._combined([one for _, one in sorted(survivors, key=lambda pair: -pair[0])])
        speedup, remark = None, "No technique was proven to make the loop faster here."
        if plan:
            found = self._compared((), plan, max(1.0, self.budget_s - self._spent_s()))
            speedup = found.ratio if found.ratio.low > 1 else None
            remark = f"Measured afresh, the plan is {messages.ratio(found.ratio)} as fast."
            plan = plan if speedup is not None else ()
        choices = tuple(
            Choice(technique=one.card.name, knobs=knobs_of(one), gain=gains[one].speedup) for one in in_order(plan)
        )
        return Tuning(
            task=self.given.name,
            budget_s=self.budget_s,
            spent_s=self._spent_s(),
            noise=None,
            smallest_difference=LEAST_DELTA,
            trials=tuple(self.trials),
            plan=Plan(task=self.given.name, choices=choices, machine=facts().cpu),
            speedup=speedup,
            remark=remark,
        )

    def _ruled_out(self, one: Technique) -> bool:
        """Note the trial of a technique that is not tried."""
        verdict, why = Verdict.NOT_APPLICABLE, ""
        if one.card.guarantee not in FREE:
            verdict, why = (
                Verdict.NOT_ALLOWED,
                "changes more than rounding, which ten losses cannot prove",
            )
        elif not one.card.saves_time:
            why = "does not save time, so it was not measured; a plan may still use it"
        elif one.card.setup_s:
            why = "compiles, which each block of an experiment would do anew: try it with `hasten.apply` and compare"
        if why:
            self.trials.append(blank(one, verdict, why))
        return bool(why)

    def _combined(self, survivors: Sequence[Technique]) -> tuple[tuple[Technique, ...], dict[Technique, Trial]]:
        """Add survivors one by one, the largest gain first, each if it helps beside those that are there."""
        plan, gains = tuple[Technique, ...](), dict[Technique, Trial]()
        alone = {trial.technique: trial for trial in self.trials}
        for number, one in enumerate(survivors):
            if not plan:
                trial = alone[one.card.name]
            else:
                left_s = (self.budget_s - self._spent_s()) / (len(survivors) - number + 1)
                trial = self._tried(one, plan, left_s)
                self.trials.append(trial)
            if trial.verdict is Verdict.KEPT:
                plan, gains[one] = (*plan, one), trial
        return plan, gains

    def _tried(self, one: Technique, base: tuple[Technique, ...], budget_s: float) -> Trial:
        """Return the trial of a technique beside others; what it raises is its result."""
        began, why = perf_counter(), conflict([other.card for other in (*base, one)])
        if why is None and budget_s <= 0:
            return blank(one, Verdict.INCONCLUSIVE, "not measured: budget used up", base)
        try:
            trial = blank(one, Verdict.NOT_APPLICABLE, why, base) if why else self._measured(one, base, budget_s)
        except Refused as error:
            trial = blank(one, Verdict.NOT_APPLICABLE, str(error), base)
        except Exception as error:  # noqa: BLE001  (techniques and the step are anybody's code)
            trial = blank(one, Verdict.FAILED, error_text(error), base)
        return msgspec.structs.replace(trial, spent_s=perf_counter() - began)

    def _measured(self, one: Technique, base: tuple[Technique, ...], budget_s: float) -> Trial:
        side = _Side(self.step, self.given, (*base, one))
        losses = side.losses(PROOF_STEPS)
        line = side.fast.report().of(one.card.name)
        if line.outcome is Outcome.WITHOUT_EFFECT:
            return blank(one, Verdict.NO_EFFECT, line.detail, base)
        gate = self._gate(max((other.card.guarantee for other in (*base, one)), key=_LOOSER.index), losses)
        trial = judged(one, base, self._compared(base, (*base, one), budget_s))
        if trial.verdict is Verdict.KEPT and not gate.passed:
            why = f"faster ({trial.reason}), but not {gate.guarantee}: {gate.detail}"
            return msgspec.structs.replace(trial, verdict=Verdict.INACCURATE, reason=why, gate=gate)
        return msgspec.structs.replace(trial, gate=gate)

    def _gate(self, guarantee: Guarantee, losses: Sequence[float]) -> Gate:
        pairs = zip(self.expected, losses, strict=True)
        off = max(0.0 if mine == ours else abs(mine - ours) / max(abs(ours), 1e-12) for ours, mine in pairs)
        bound = {Guarantee.EXACT: 0.0, Guarantee.ROUNDING: ROUNDED, Guarantee.PRECISION: NARROW}[guarantee]
        detail = f"the losses of {len(losses)} steps differ by at most {off:.1e} of their size (bound {bound:g})"
        return Gate(guarantee=guarantee, passed=off <= bound, measured=off, bound=bound, detail=detail)

    def _compared(self, base: Sequence[Technique], plan: Sequence[Technique], budget_s: float) -> Comparison:
        return compare(
            _Side(self.step, self.given, base), _Side(self.step, self.given, plan), budget_s=max(budget_s, 0.1)
        )

    def _spent_s(self) -> float:
        return perf_counter() - self.began


_LOOSER = (Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION)
