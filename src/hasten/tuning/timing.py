"""Where a search times its settings: this machine, with a bench for each setting, built once and kept."""

import gc
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from msgspec.structs import replace

from hasten.base.records.known import Keys
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Verdict
from hasten.machine.set_threads import threads_set
from hasten.measurement.collector import collector_off
from hasten.techniques.applying import why_refused
from hasten.training.effects import Seen, has_check, why_without_effect
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.bench import Bench
from hasten.tuning.break_even import not_earned_back
from hasten.tuning.budget import OutOfTime, ends_by, now_s
from hasten.tuning.busy import clock_of, why_not_by_processor
from hasten.tuning.context import (
    Laboratory,
    Plan,
    bench_of,
    building_steps,
    confirmation_s,
    proof_s,
    recipe_with,
    steps_per_block,
)
from hasten.tuning.forking import can_fork
from hasten.tuning.gates import loosest
from hasten.tuning.isolation import is_foreign, why_infeasible
from hasten.tuning.known import key_of
from hasten.tuning.proving import unproven
from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.search.model import Gain
from hasten.tuning.trials import blank, failed, names

LONGEST_SETUP = 0.15
"""Of the budget: setting up one setting is stopped after this, or after half as long again as its cards expect."""
LONGEST_PROOF = 0.45
"""Of the budget, that is left for the gate of the plan at most."""
SHORTEST_LIMIT_S, LONGER_APART = 2.0, 10.0
"""A setting that is set up in a process of its own may take so many seconds and times as long as the baseline."""
BOUND = 20.0
"""Logarithm of the largest ratio that is reported."""


def ratio_of(gain: Gain, count: int = 0) -> Interval:
    """Return a gain as a ratio, with the number of blocks that it was taken from."""
    low, value, high = (math.exp(max(-BOUND, min(BOUND, one))) for one in (gain.low, gain.value, gain.high))
    return Interval(value=value, low=low, high=high, n=count)


class Timing:
    """Settings of a laboratory, set up when they are first timed; see `hasten.tuning.search.search.Ground`.

    Attributes:
        trials: what was found out about factors that left the search because they could not be timed or kept.
        proofs: technique -> what the gate of the last plan with it said.

    Args:
        lab: where the benches are built.
        chosen: the technique of each factor; the number after the last one is the baseline, built a second time.
        factors: the same as factors, with that one.
        share: of the budget, counted from its start, that may be used.
        left_open: the setting that was being set up when an earlier tuning ended without a word.
    """

    def __init__(
        self,
        lab: Laboratory,
        chosen: Sequence[Technique],
        factors: Factors,
        *,
        share: float,
        left_open: Keys | None = None,
    ) -> None:
        self.lab, self.chosen, self.factors, self.share = lab, chosen, factors, share
        self.trials: dict[int, Trial] = {}
        self.proofs: dict[Technique, Trial] = {}
        self._again: Bench | None = None
        self._checked: set[int] = set()
        self._tried_apart: Setting = NONE
        self._left_open = left_open
        self._setups: list[float] = []
        self._number = {one: number for number, one in enumerate(chosen)}

    def plan(self, setting: Setting) -> Plan:
        """Return the techniques of a setting."""
        return tuple(self.chosen[one] for one in sorted(setting) if one < len(self.chosen))

    def ready(self, setting: Setting) -> None:
        """Set a setting up; what fails is blamed on one factor if it fails alone, too."""
        if setting in self.built():
            return
        if not setting:
            self._build(setting)
            return
        self._try_apart(setting)
        self.lab.store.mark(tuple(sorted(map(key_of, self.plan(setting)))))
        try:
            self._build(setting)
            self._check_effects(setting)
        except Infeasible:
            raise
        except (Exception, OutOfTime) as error:
            self._end_if_over(error)
            raise Infeasible(self._blamed(setting, error)) from error

    def _try_apart(self, setting: Setting) -> None:
        """Set up what may end this process, or hang, in a process of its own first.

        Such are techniques that are not hasten's own, when they are first on, and the setting that was being set up
        when an earlier tuning ended without a word.
        """
        doubtful = frozenset(
            one for one in setting - self._tried_apart if one < len(self.chosen) and is_foreign(self.chosen[one])
        )
        if self._left_open == tuple(sorted(map(key_of, self.plan(setting)))):
            doubtful, self._left_open = setting - {len(self.chosen)}, None
        if not doubtful or not can_fork(on_host=self.lab.recipe.device.is_host):
            return
        why = self._why_infeasible(setting)
        for one in sorted(doubtful) if why is not None and len(setting) > 1 else ():
            if (own := self._why_infeasible(self._alone(one))) is not None:
                why, doubtful = own, frozenset({one})
                break
        if why is None:
            self._tried_apart |= setting
            return
        if len(doubtful) > 1:
            raise Infeasible(setting)
        (one,) = doubtful
        base = self.plan(self._alone(one) - {one})
        self.trials[one] = blank(self.chosen[one], Verdict.FAILED, f"infeasible: {why} while it was set up", base)
        raise Infeasible(doubtful)

    def _why_infeasible(self, setting: Setting) -> str | None:
        """Return why a setting cannot be set up here, where that takes the process or far too long."""
        limit_s = max(self._limit_s(setting), SHORTEST_LIMIT_S + LONGER_APART * self.lab.build_s)
        left_s = self._end_s() - now_s()
        why = why_infeasible(
            lambda: Bench(recipe_with(self.lab, self.plan(setting)))(1), limit_s=max(min(limit_s, left_s), 1e-3)
        )
        if why is not None and now_s() >= self._end_s():
            raise OutOfTime
        return why

    def block(self, setting: Setting) -> float:
        """Return the logarithm of the seconds a sample takes, over one block; a step before it is not timed."""
        bench = self._bench(setting)
        steps, clock = steps_per_block(bench.step_s), clock_of(self.lab.free.threads)
        if gc.isenabled():
            gc.collect(1)
        try:
            with self._threads(), self._limit(setting), collector_off(), bench:
                bench(1)
                began, began_s = clock(), now_s()
                bench(steps)
                spent_s = max(clock() - began, 1) * 1e-9
                bench.step_s = (now_s() - began_s) / steps
        except (Exception, OutOfTime) as error:
            self._end_if_over(error)
            if not setting:
                raise
            raise Infeasible(self._blamed(setting, error)) from error
        return math.log(spent_s / steps / bench.samples_per_step)

    def built(self) -> list[Setting]:
        """Return the settings whose benches are kept."""
        found = [
            frozenset(self._number[one] for one in plan)
            for plan in self.lab.benches
            if all(one in self._number for one in plan)
        ]
        return [*found, frozenset({len(self.chosen)})] if self._again is not None else found

    def block_s(self, setting: Setting) -> float:
        """Return about how long a block takes with the step before it."""
        step_s = self._bench(setting).step_s if setting in self.built() else self.lab.step_s
        return (steps_per_block(step_s) + 1) * step_s

    def cost_s(self, setting: Setting, slower: float) -> float:
        """Return all its time: a block serves nothing else."""
        return self.block_s(setting)

    def setup_s(self, setting: Setting) -> float:
        """Return about how long setting up takes."""
        usual_s = (
            sum(self._setups) / len(self._setups) if self._setups else building_steps(self.lab.step_s) * self.lab.step_s
        )
        return usual_s + self.factors.setup_s(setting)

    def left_s(self) -> float:
        """Return the seconds left; what earlier tunings have used is not."""
        return self.lab.budget.left_s(self.share) - self.lab.earlier_s

    def proof_s(self, plan: Setting) -> float:
        """Return how long it may take to prove a plan; 0 where it is proven, or no gate can prove it."""
        techniques = self.plan(plan)
        guarantee = loosest(one.card.guarantee for one in techniques)
        if not techniques or frozenset(techniques) in self.lab.proven or guarantee is None:
            return 0.0
        return proof_s(self.lab, guarantee)

    def closing_s(self, plan: Setting) -> float:
        """Return the time that is kept for proving a plan and for measuring it afresh."""
        return min(self.proof_s(plan), LONGEST_PROOF * self.lab.budget.total_s) + confirmation_s(
            self.lab, self.plan(plan)
        )

    def unfit(self, plan: Setting, gains: Mapping[int, Gain]) -> Setting:
        """Return what does not earn its setup back, or breaks its guarantee, or has no effect in the plan.

        Their trials are noted.
        """
        for one in plan:
            why = self._not_earned_back(one, gains[one])
            if why is not None:
                trial = blank(self.chosen[one], Verdict.SLOWER, why, self.plan(plan - {one}))
                setup_s = self.lab.setup_s[self.chosen[one]]
                self.trials[one] = replace(trial, speedup=ratio_of(gains[one]), setup_s=setup_s)
                return frozenset({one})
        weakest_last = sorted(plan, key=lambda one: -gains[one].value)
        with self._threads():
            broken, proof = unproven(
                self.lab,
                [self.chosen[one] for one in weakest_last],
                {self.chosen[one]: messages.ratio(ratio_of(gains[one])) for one in plan},
                {self.chosen[one]: self.plan(self.factors[one].company) for one in plan},
            )
        if proof is not None:
            self.proofs |= {self.chosen[one]: proof for one in plan if not proof.accepted or self._accepted(one)}
        for technique, trial in broken.items():
            self.trials[self._number[technique]] = trial
        return frozenset(self._number[one] for one in broken) or self._without_effect(plan)

    def _without_effect(self, plan: Setting) -> Setting:
        """Return a factor that changes nothing in a step beside the rest of a plan, which would be refused with it."""
        asked = [one for one in sorted(plan) if has_check(self.chosen[one])]
        if not asked:
            return NONE
        seen = self._seen(plan)
        for one in asked:
            if (why := why_without_effect(self.chosen[one], seen)) is not None:
                base = self.plan(plan - {one})
                reason = f"no effect{messages.beside(names(base))}: {why}"
                self.trials[one] = blank(self.chosen[one], Verdict.NO_DIFFERENCE, reason, base)
                return frozenset({one})
        return NONE

    def _not_earned_back(self, one: int, gain: Gain) -> str | None:
        def why() -> str | None:
            setup_s = self.lab.setup_s.get(self.chosen[one], 0.0)
            return not_earned_back(math.exp(gain.value), setup_s, self.lab.recipe, self.lab.step_s)

        if why() is not None:  # it may be the setup of what it was built with
            self._build(self._alone(one))
        return why()

    def _accepted(self, one: int) -> bool:
        return self.chosen[one].card.name in self.lab.accept

    def _bench(self, setting: Setting) -> Bench:
        if len(self.chosen) in setting:
            if self._again is None:
                self._again = Bench(self.lab.recipe)
            return self._again
        return bench_of(self.lab, self.plan(setting))

    def _build(self, setting: Setting) -> None:
        began = now_s()
        with self._threads(), self._limit(setting):
            self._refuse_parallel(setting)
            bench = self._bench(setting)
        if bench is self._again:  # the first build of a process also pays for what all share
            self.lab.build_s = min(self.lab.build_s, now_s() - began)
        if not self.factors.setup_s(setting):
            self._setups.append(now_s() - began)
        more_s = max(0.0, bench.setup_s - bench_of(self.lab, ()).setup_s)
        for one in self.plan(setting):  # no factor takes more than a setting with it
            self.lab.setup_s[one] = min(more_s, self.lab.setup_s.get(one, math.inf))

    def _check_effects(self, setting: Setting) -> None:
        """Remove a technique that changes nothing, neither here nor alone."""
        for one in sorted(setting - self._checked):
            self._checked.add(one)
            if one >= len(self.chosen) or not has_check(self.chosen[one]):
                continue
            technique, alone = self.chosen[one], self._alone(one)
            why = None
            for where in dict.fromkeys([setting, alone]):
                why = why_without_effect(technique, self._seen(where))
                if why is None:
                    break
            if why is not None:
                self.trials[one] = blank(technique, Verdict.NO_EFFECT, why)
                raise Infeasible(frozenset({one}))

    def _seen(self, setting: Setting) -> Seen:
        """Return what a step of a setting does."""
        self._build(setting)
        with self._threads(), self._limit(setting):
            return self._bench(setting).watched_step()

    def _blamed(self, setting: Setting, error: Exception | OutOfTime) -> Setting:
        """Return the factor that fails alone, with its trial noted; the whole setting where none does."""
        if len(self.chosen) in setting:  # the baseline again: it only shows the noise
            return setting
        for one in sorted(setting, key=lambda one: len(self.factors[one].company)):
            began = now_s()
            alone = self._alone(one)
            if alone != setting:
                try:
                    self._build(alone)
                    continue
                except Infeasible as own:
                    return own.factors
                except (Exception, OutOfTime) as own:  # noqa: BLE001
                    self._end_if_over(own)
                    error = own
            self.trials[one] = failed(self.chosen[one], error, self.plan(alone - {one}), spent_s=now_s() - began)
            return frozenset({one})
        for one in setting:  # two that the cards do not keep apart, if it is two
            for other in setting - {one}:
                beside = recipe_with(self.lab, self.plan(frozenset({other})))
                if why_refused(self.chosen[one], beside, self.lab.machine) is not None:
                    return frozenset({one, other})
        return setting

    def _end_if_over(self, error: Exception | OutOfTime) -> None:
        """Pass the end of the whole tuning on."""
        if isinstance(error, OutOfTime) and now_s() >= self._end_s():
            raise error

    def _end_s(self) -> float:
        return self.lab.budget.hard_stop_s - confirmation_s(self.lab, ())

    @contextmanager
    def _limit(self, setting: Setting) -> Generator[None]:
        """Stop the body when it takes far longer than it should, or when the tuning ends."""
        with ends_by(min(now_s() + self._limit_s(setting), self._end_s()) if setting else self.lab.budget.hard_stop_s):
            yield

    def _limit_s(self, setting: Setting) -> float:
        return max(LONGEST_SETUP * self.lab.budget.total_s, 3 * self.lab.step_s) + 2 * self.factors.setup_s(setting)

    def _threads(self) -> AbstractContextManager[None]:
        return threads_set(self.lab.free.threads)

    def _refuse_parallel(self, setting: Setting) -> None:
        """On a busy machine, where the processor's time of one thread is taken, refuse what changes the threads."""
        if self.lab.free.threads is None:
            return
        for one in sorted(setting - {len(self.chosen)}):
            why = why_not_by_processor(self.lab.recipe, recipe_with(self.lab, self.plan(self._alone(one))))
            if why is not None:
                why = f"{why}, which cannot be judged while other work keeps this machine busy"
                self.trials[one] = blank(self.chosen[one], Verdict.INCONCLUSIVE, why)
                raise Infeasible(frozenset({one}))

    def _alone(self, one: int) -> Setting:
        return frozenset({one, *self.factors[one].company})
