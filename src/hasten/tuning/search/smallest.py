"""The smallest plan within 1 % of the best one, as far as a fit knows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import stdtrit

from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.model import Fit, Gain, Model, difference

LEAST_GAIN = math.log1p(0.01)
"""What a factor must gain to be kept."""
WITHIN = math.log1p(0.01)
"""What the smallest plan may lose against the best, all that is left out together."""
LIKELY = 0.75
"""Probability of a gain from which a factor of a plan is kept although its interval, which holds at all times, is not
clear: on a noisy machine several small gains, each left out until it is sure, are together more than 5 %."""
SURE = 0.95
"""Probability with which a plan as a whole has to be faster, and from which the gain of one factor is told."""


@dataclass(frozen=True)
class Plans:
    """What a fit says about plans."""

    fit: Fit
    model: Model
    factors: Factors

    def adds(self, one: int, plan: Setting) -> Gain:
        """Return what a factor of a plan adds to the rest of it."""
        return self.fit.gain(difference(self.model, plan, self.factors.off(plan, one)))

    def at_least(self, plan: Setting) -> float:
        """Return what a plan gains at least, with the probability `SURE`."""
        gain = self.fit.gain(difference(self.model, plan))
        if not math.isfinite(gain.half):
            return -math.inf if plan else 0.0
        return gain.value - gain.error * float(stdtrit(self.fit.free, SURE))

    def likely(self, plan: Setting) -> Setting:
        """Return a plan without what is not likely to gain beside the rest."""
        while weak := [one for one in plan if self.adds(one, plan).likely < LIKELY]:
            plan = self.factors.off(plan, min(weak, key=lambda one: self.adds(one, plan).value))
        return plan

    def smallest(self, plan: Setting, timed: Iterable[Setting]) -> Setting:
        """Return what of a plan is likely to gain, or a setting that is surely better, without what is not needed.

        A setting that was timed can be clearly faster as a whole where there was no time to tell its factors apart.
        They are kept together, then; else each has to be likely to gain beside the others.

        Args:
            plan: the best one, as far as is known.
            timed: settings that may take its place.
        """
        best = max([self.likely(plan), *timed, NONE], key=lambda one: (self.at_least(one), -len(one)))
        found, lost = self.factors.of_use(best), 0.0
        while found:
            gains = {one: self.adds(one, found) for one in found}
            least = min(found, key=lambda one: gains[one].value)
            lost += max(gains[least].value, 0.0)
            if lost > WITHIN or gains[least].low > LEAST_GAIN or not math.isfinite(gains[least].half):
                break
            found = self.factors.off(found, least)
        clear = self.likely(found)
        together = self.fit.gain(difference(self.model, found, clear))
        return found if math.isfinite(together.half) and together.likely >= LIKELY else clear
