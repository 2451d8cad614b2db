"""A search whose blocks are steps that a training makes anyway: each advances it as any other step does.

The training asks before each step what it is to be made with, and tells after it how long it took. What is on and off
in these steps changes the forward pass alone, so that one model and one optimizer serve all settings.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.techniques.applying import in_order, knobs_of
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.budget import now_s
from hasten.tuning.context import Hints, steps_per_block
from hasten.tuning.known import versions_of
from hasten.tuning.search.factors import NONE, Setting
from hasten.tuning.search.model import Gain
from hasten.tuning.search.search import Search
from hasten.tuning.selection import factors_of, noise_of
from hasten.tuning.timing import ratio_of
from hasten.tuning.trials import blank, left_out, names

SHARE, HARD_STOP = 0.05, 0.1
"""Of the planned training: for the gates and for the blocks of the experiment, and for both together."""
FEWEST_BLOCKS = 16
LEAST_COST = 0.05
"""Of the time of a block, for one that is as fast as the best plan known: what is expected may be wrong."""


def fewest_s(step_s: float) -> float:
    """Return the seconds of steps below which an experiment shows nothing."""
    return 2 * FEWEST_BLOCKS * steps_per_block(step_s) * step_s


class OwnSteps:
    """Which setting the next step of a training is made with, and what these steps have shown.

    Args:
        chosen: techniques that passed their gate together.
        ready: called once with a setting before blocks are made with it; raises `Infeasible`.
        machine: what the training runs on.
        step_s: of a step of the baseline.
        ends_s: seconds that the experiment may take.
        hints: what a profile lets one expect.
        seed: of the order and of random settings.
    """

    def __init__(
        self,
        chosen: Sequence[Technique],
        ready: Callable[[Setting], object],
        *,
        machine: Machine,
        step_s: float,
        ends_s: float,
        hints: Hints,
        seed: int = 0,
    ) -> None:
        self.chosen, self.spent_s = chosen, 0.0
        self._machine, self._step_s, self._ends_s, self._ready = machine, step_s, ends_s, ready
        self._blocks, self._steps, self._block_s, self._samples = list[Setting](), 0, 0.0, 0
        self._setups_s: dict[Setting, float] = {}
        self.search = Search(factors_of(machine, hints, chosen), self, seed=seed, again=len(chosen))
        self._asked: Iterator[list[Setting]] = self.search.asked()

    def setting(self) -> Setting | None:
        """Return what the next step is to be made with; None once everything is decided."""
        if not self._blocks:
            group = next(self._asked, None)
            if group is None:
                return None
            self._blocks = group
        return self._blocks[-1]

    @property
    def waits(self) -> bool:
        """Whether a device must have ended the next step when its time is told: it begins or ends a block."""
        return self._steps in (0, steps_per_block(self._step_s))

    def made(self, spent_s: float, samples: int) -> bool:
        """Note a step with the setting under way; return whether its block is over. The first one is not timed."""
        self.spent_s += spent_s
        if self._steps == 0:
            self._block_s, self._samples = 0.0, 0
        else:
            self._block_s, self._samples = self._block_s + spent_s, self._samples + samples
        self._steps += 1
        if self._steps <= steps_per_block(self._step_s):
            return False
        self._steps = 0
        self.search.note(self._blocks.pop(), math.log(self._block_s / self._samples))
        return True

    def techniques(self, setting: Setting) -> tuple[Technique, ...]:
        """Return the techniques of a setting; the baseline again has none."""
        return tuple(self.chosen[one] for one in sorted(setting) if one < len(self.chosen))

    def found(self, *, task: str, before: Sequence[Trial], before_s: float, remark: str) -> Tuning:
        """Return the record: the plan with what each technique gains, and what was not kept.

        Args:
            task: what was trained.
            before: trials of techniques that could take no part.
            before_s: seconds that was known in.
            remark: what the steps were.
        """
        search = self.search
        kept = {self.chosen[one]: self._ratio(one) for one in search.plan}
        choices = tuple(Choice(technique=one.card.name, knobs=knobs_of(one), gain=kept[one]) for one in in_order(kept))
        whole = search.whole()
        return Tuning(
            task=task,
            budget_s=before_s + self._ends_s,
            spent_s=before_s + self.spent_s,
            noise=noise_of(search),
            smallest_difference=search.threshold(),
            trials=(*before, *(self._trial(one) for one in range(len(self.chosen)))),
            plan=Plan(task=task, choices=choices, machine=self._machine.cpu, versions=versions_of(self._machine)),
            speedup=ratio_of(whole, len(search.readings)) if kept and math.isfinite(whole.half) else None,
            remark=remark,
        )

    def _trial(self, one: int) -> Trial:
        gain, technique = self.search.gain(one), self.chosen[one]
        if one in self.search.plan:
            base = names(self.techniques(self.search.factors.off(self.search.plan, one)))
            why = f"{messages.ratio(self._ratio(one))} as fast{messages.beside(base)}"
            return self._with_gain(one, blank(technique, Verdict.KEPT, why))
        if not math.isfinite(gain.half):
            return blank(technique, Verdict.INCONCLUSIVE, "not measured: budget used up")
        shown = messages.ratio(self._ratio(one))
        verdict, why = left_out(self.search, one, shown)
        return self._with_gain(one, blank(technique, verdict, why))

    def _with_gain(self, one: int, trial: Trial) -> Trial:
        return msgspec.structs.replace(trial, speedup=self._ratio(one))

    def _ratio(self, one: int) -> Interval:
        return ratio_of(self.search.gain(one), sum(one in setting for setting in self.search.readings.settings))

    # What follows is the ground of the search, which asks for blocks and is told their times later.

    def ready(self, setting: Setting) -> None:
        """Prepare a setting; see `hasten.tuning.search.search.Ground`."""
        if setting in self._setups_s:
            return
        began = now_s()
        self._ready(setting)
        self._setups_s[setting] = now_s() - began
        self.spent_s += self._setups_s[setting]

    def block(self, setting: Setting) -> float:
        """Blocks are made by the training."""
        raise AssertionError("blocks are made by the training")

    def built(self) -> list[Setting]:
        """Return the settings that were prepared."""
        return list(self._setups_s)

    def block_s(self, setting: Setting) -> float:
        """Return about how long a block takes, with the step that is not timed."""
        return (steps_per_block(self._step_s) + 1) * self._step_s

    def cost_s(self, setting: Setting, slower: float) -> float:
        """Return the time that it takes beyond that of the same steps with the best plan known, which serve anyway."""
        return self.block_s(setting) * max(LEAST_COST, -math.expm1(-slower))

    def setup_s(self, setting: Setting) -> float:
        """Return about how long it takes to prepare a setting, which is tried on two samples."""
        return sum(self._setups_s.values()) / max(len(self._setups_s), 1)

    def left_s(self) -> float:
        """Return the seconds that are left for the experiment."""
        return self._ends_s - self.spent_s

    def proof_s(self, plan: Setting) -> float:
        """Return 0: all that takes part is proven."""
        return 0.0

    def closing_s(self, plan: Setting) -> float:
        """Return 0: all that takes part is proven, and what is kept goes on being used."""
        return 0.0

    def unfit(self, plan: Setting, gains: Mapping[int, Gain]) -> Setting:
        """Return none: all that takes part is proven."""
        return NONE
