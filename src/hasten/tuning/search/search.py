"""The search: start from the likeliest plan, learn every factor's gain in a factorial, and end with the smallest plan.

ready   build the settings of a group; what cannot be built leaves the search
time    one block of each, in random order
judge   fit the model; decide what is certain; have what is faster proven
plan    change it to what is best now; ask about what is open
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from hasten.tuning.search.design import GROUP, Question, candidates, next_group
from hasten.tuning.search.drift import drift
from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.ground import Ground, Infeasible
from hasten.tuning.search.model import Fit, Gain, Model, Readings, difference
from hasten.tuning.search.smallest import LEAST_GAIN, SURE, Plans

USUAL_PROOF = 0.4
"""Of the time that is planned for a proof, where it is not in doubt."""
EARLY = 0.4
"""Of the time left, that the proof of a plan before the search ends usually takes at most..."""
SOON = 0.05
"""... and where the plan under way is expected to be faster than that by more than `NEARLY`, or a factor was not yet
timed."""
NEARLY = math.log(1.05)
MEMBER = LEAST_GAIN / 2
"""What each further factor in the plan under way has to be expected to gain."""
FIRST_SHARE = 0.5
"""Of the time, for what can be set up cheaply, where something else waits."""
USES = 4
"""Blocks over which setting up a setting is counted when settings are chosen."""
NOISE_BLOCKS = 4
"""Of the baseline's second build."""
MOST_WORTH = 0.3
"""Logarithm of the gain beyond which a factor in question is not asked about before others."""


class Search:
    """A search over factors on a ground.

    Attributes:
        plan: the best setting as far as is known.
        impossible: factors that cannot all be on.
        out: factors that left the search -> the setting beside which they had nothing to gain; None where the ground
            found them unfit or could not set them up.
        fit: what the readings say so far.
        own: the readings of this search, without what was known before or is learned from others.
        waiting: factors that cost much once and do not take part yet.
        later: further levels of factors, which do not take part yet.

    Args:
        factors: what may be on.
        ground: where it is timed.
        seed: of the order and of random settings.
        again: a factor without any effect, if there is one: the baseline set up a second time. It shows the noise.
        known: what was timed before, in groups whose numbers are below `first_group`.
        first_group: the number of the first group that is timed now.
    """

    def __init__(
        self,
        factors: Factors,
        ground: Ground,
        *,
        seed: int = 0,
        again: int | None = None,
        known: Readings | None = None,
        first_group: int = 0,
    ) -> None:
        self.factors, self.ground, self.again = factors, ground, again
        self.readings, self.own, self.groups = known or Readings(), Readings(), first_group - 1
        self.plan, self.proven = NONE, {NONE}
        self.out: dict[int, Setting | None] = {}
        self.impossible: list[Setting] = []
        self.model = Model(len(factors), factors.conflicts)
        self.fit: Fit = self.model.fit(self.readings)
        self.waiting = [one for one in self.live() if factors[one].setup_s and not self._timed(one)]
        self.later = [one for one in self.live() if factors[one].after is not None and not self._timed(one)]
        self._random = np.random.default_rng(seed)
        self._asked_once: list[Setting] = []  # the next group, where it does not follow from the readings
        self._whole_s = ground.left_s() - ground.closing_s(NONE)

    def run(self) -> Iterator[None]:
        """Search until everything is decided or the time is over; yield after each group of blocks."""
        for group in self.asked():
            self._time(group)
            yield

    def asked(self) -> Iterator[list[Setting]]:
        """Yield groups of settings to time until everything is decided or the time is over.

        Each is timed, and its blocks noted with `note`, before the next one is asked for.
        """
        self.plan = self._start()
        if any(self.readings.settings):  # not the baseline alone
            self._judge()
        elif self.plan:
            third = NONE if self.again is None else frozenset({self.again})
            self._asked_once = [NONE, self.plan, third, self.plan]
        proven = 0
        while proven < len(self.proven):  # what a proof leaves of its time is spent on asking on
            proven = len(self.proven)
            yield from self._groups()
            self._finish()

    def _groups(self) -> Iterator[list[Setting]]:
        """Yield groups of settings until everything is decided, or what is left of the time is for proving the plan."""
        while self._left_s() > 0:
            late = self._left_s() < (1 - FIRST_SHARE) * self._whole_s
            once, gone = bool(self._asked_once), len(self.out) + len(self.impossible)
            group = [] if late and self._bring_in() else self._ready(self._next())
            if group:
                self.groups += 1
                yield group
                self._judge()
                continue
            asks_anew = once or self._asked_once or gone < len(self.out) + len(self.impossible)
            if not asks_anew and not self._further() and not self._bring_in():
                break

    def stop(self) -> None:
        """End the search as it is: what is not proven is not in the plan."""
        self.plan = self._best_proven()

    def leave(self, ones: Iterable[int]) -> None:
        """Let factors leave that are known to be of no use."""
        self._remove(ones)

    def live(self) -> list[int]:
        """Return the factors that are still in the search."""
        return [one for one in range(len(self.factors)) if one not in self.out and one != self.again]

    def gain(self, one: int) -> Gain:
        """Return what a factor adds to the rest of the plan, or what changes if it replaces what conflicts with it."""
        if one in self.plan:
            return self.fit.gain(difference(self.model, self.plan, self.factors.off(self.plan, one)))
        return self.fit.gain(difference(self.model, self.factors.on(self.plan, one), self.plan))

    def whole(self) -> Gain:
        """Return how much faster the plan is than the baseline."""
        return self.fit.gain(difference(self.model, self.plan))

    def drift(self) -> float:
        """Return the standard deviation over time of what the plan gains, in logarithms; see `search/drift.py`."""
        return drift(self.model, self.fit, self.readings, difference(self.model, self.plan))

    def noise(self) -> Gain | None:
        """Return how much faster the baseline is than itself; None where that was not timed."""
        if self.again is None or frozenset({self.again}) not in self.readings.settings:
            return None
        return self.fit.gain(difference(self.model, frozenset({self.again})))

    def threshold(self) -> float:
        """Return the smallest gain that these readings could have shown, as a share."""
        halves = sorted(self.gain(one).half for one in range(len(self.factors)) if one != self.again)
        half = halves[len(halves) // 2] if halves else LEAST_GAIN
        return min(math.expm1(max(LEAST_GAIN, half)), 1.0)

    def unclear(self, one: int) -> bool:
        """Return whether it is open if a factor gains enough to be kept."""
        gain = self.gain(one)
        return not math.isfinite(gain.half) or (gain.low < LEAST_GAIN < gain.high and gain.half > LEAST_GAIN / 2)

    def sure(self, one: int) -> bool:
        """Return whether a factor of the plan surely gains beside the rest; else only all together do."""
        return self._plans.adds(one, self.plan).likely >= SURE

    def _timed(self, one: int) -> bool:
        return any(one in setting for setting in self.readings.settings)

    def _start(self) -> Setting:
        """Return the likeliest plan: what is expected to gain, or everything where nothing is known."""
        cheap = self._taking_part()
        cheap.sort(key=lambda one: -self.factors[one].expected)
        hopeful = [one for one in cheap if self.factors[one].expected > 0]
        return self.factors.of_use(self.factors.together(hopeful or cheap))

    def _next(self) -> list[Setting]:
        """Return the settings to time next; none where nothing is open."""
        if self._asked_once:
            group, self._asked_once = self._asked_once, []
            return [group[int(one)] for one in self._random.permutation(len(group))]
        asked = [one for one in self._taking_part() if self.unclear(one)]
        if not asked:
            return []
        questions = list[Question]()
        for one in asked:
            gain = self.gain(one)
            worth = min(max(gain.value + gain.error, LEAST_GAIN), MOST_WORTH)
            questions.append((difference(self.model, self.factors.toggled(self.plan, one), self.plan), worth))
        hidden = {*self.out, *self.waiting, *self.later}
        if self.again is not None:
            again = frozenset({self.again})
            if self.readings.settings.count(again) < NOISE_BLOCKS:
                questions.append((difference(self.model, again), LEAST_GAIN))
            else:
                hidden.add(self.again)
        settings = candidates(self.factors, self.plan, asked, self.ground.built(), self._random)
        built, left_s = set(self.ground.built()), self._left_s()
        settings = [one for one in settings if not one & hidden and self._possible(one)]
        settings = [one for one in settings if one in built or self.ground.setup_s(one) < left_s]
        if len(settings) < 2:
            return []
        return next_group(self.fit, self.model, questions, settings, self._cost_s, self._random)

    def _left_s(self, plan: Setting | None = None) -> float:
        """Return the seconds left where a plan, by default that under way, is still to be proven and measured.

        Where no group fits into them and there is nothing to prove, the time for a proof is spent on finding something.
        """
        left_s, plan = self.ground.left_s(), self.plan if plan is None else plan
        closing_s = self.ground.closing_s(plan)
        group_s = GROUP * self.ground.block_s(NONE) + 2 * self.ground.setup_s(NONE)
        if closing_s + group_s >= left_s and not self._smallest():
            closing_s = min(closing_s, self.ground.closing_s(NONE))
        return left_s - closing_s

    def _cost_s(self, setting: Setting) -> float:
        fresh = setting not in self.ground.built()
        slower = max(0.0, float(self.fit.mean @ (self.model.row(self.plan) - self.model.row(setting))))
        return self.ground.cost_s(setting, slower) + (self.ground.setup_s(setting) / USES if fresh else 0.0)

    def _ready(self, group: list[Setting]) -> list[Setting]:
        """Return what of a group is set up and fits into the time; nothing where that is only one setting."""
        usable, blocks_s = list[Setting](), 0.0
        for setting in group:
            block_s = self.ground.block_s(setting)
            setup_s = 0.0 if setting in self.ground.built() else self.ground.setup_s(setting)
            if setup_s + blocks_s + block_s > self._left_s() or not self._possible(setting):
                continue
            try:
                self.ground.ready(setting)
            except Infeasible as error:
                self._forbid(error.factors)
            else:
                usable.append(setting)
                blocks_s += block_s
        return usable if len(set(usable)) > 1 else []

    def _time(self, group: list[Setting]) -> None:
        for setting in group:
            if not self._possible(setting):
                continue
            try:
                self.note(setting, self.ground.block(setting))
            except Infeasible as error:
                self._forbid(error.factors)

    def note(self, setting: Setting, log_s: float) -> None:
        """Note a block of the group that was asked for last."""
        self.readings.add(setting, self.groups, log_s)
        self.own.add(setting, self.groups, log_s)

    def learn(self, readings: Readings) -> None:
        """Take up whole groups of blocks that others have timed, between two groups; the next judgement counts them.

        Each keeps an effect of its own, so that it does not matter how fast the machine was that timed it.
        """
        for number, group in enumerate(readings.groups):
            if number == 0 or group != readings.groups[number - 1]:
                self.groups += 1
            self.readings.add(readings.settings[number], self.groups, readings.logs[number])

    def note_baseline(self, logs: Iterable[float]) -> None:
        """Note blocks of the baseline that were timed one after another before the search: they show the noise."""
        self.groups += 1
        for log_s in logs:
            self.note(NONE, log_s)

    def _possible(self, setting: Setting) -> bool:
        return not setting & self.out.keys() and not any(bad <= setting for bad in self.impossible)

    def _forbid(self, bad: Setting) -> None:
        """Time no setting with all of these any more, and take the least promising of them out of the plan."""
        if len(bad) == 1:
            self._remove(bad)
        else:
            self.impossible.append(bad)
            if bad <= self.plan:
                self.plan = self.factors.off(self.plan, min(bad, key=lambda one: self.factors[one].expected))
        if self.plan and not self._asked_once:
            self._asked_once = [NONE, self.plan]

    def _remove(self, ones: Iterable[int], beside: Setting | None = None) -> None:
        for one in ones:
            if one in self.plan:
                self.plan = self.factors.off(self.plan, one)
            self.factors.leave(one)
            self.out[one] = beside
            self.waiting = [other for other in self.waiting if other != one]
            self.later = [other for other in self.later if other != one]

    def _judge(self) -> None:
        """Fit the model; change the plan; have proven what is faster; let go what has nothing to gain."""
        self.fit = self.model.fit(self.readings)
        self._let_back()
        self._improve()
        self._prove_early(frozenset(one for one in self.plan if self.gain(one).low > 0))
        sure = frozenset(one for one in self.plan if self.gain(one).low > 0)
        self.later = [one for one in self.later if self.factors[one].after not in sure]
        for one in [one for one in self.live() if one not in self.plan]:
            beside = self.factors.pointless(one, sure)
            if beside is not None:
                self._remove([one], frozenset({beside}))
            elif one in self._taking_part() and self.gain(one).high < LEAST_GAIN and not self._needed(one):
                self._remove([one], self.plan)

    def _let_back(self) -> None:
        """Let factors come back that left for want of a gain, and of which the readings now say otherwise."""
        for one, beside in list(self.out.items()):
            if beside is not None and self.gain(one).low > LEAST_GAIN:
                del self.out[one]

    def _needed(self, company: int) -> bool:
        """Return whether a factor is in question that gains little without this one."""
        return any(company in self.factors[one].company and self.unclear(one) for one in self.live())

    def _improve(self) -> None:
        """Change the plan, one factor at a time, as long as that is expected to make it faster.

        What was never timed stays where it is expected to gain: a plan may have been impossible to set up at first.
        """
        for _ in range(2 * len(self.factors)):
            known = [one for one in self._taking_part() if one not in self.plan or self._timed(one)]
            found = [one for one in (self.factors.toggled(self.plan, one) for one in known) if self._possible(one)]
            more = [self._expected(one) - self._expected(self.plan) for one in found]
            if not more or max(more) <= 1e-9:
                return
            self.plan = found[int(np.argmax(more))]

    def _expected(self, setting: Setting) -> float:
        return float(self.fit.mean @ self.model.row(setting)) - MEMBER * len(setting)

    def _prove_early(self, plan: Setting) -> None:
        """Have a plan proven before the search ends, where that costs little: what is unfit then leaves it soon."""
        nearly = self._expected(self.plan) - self._expected(plan) < NEARLY and all(
            map(self._timed, self._taking_part())
        )
        if self._usual_proof_s(plan) <= (EARLY if nearly else SOON) * self.ground.left_s():
            self._prove(plan)

    def _usual_proof_s(self, plan: Setting) -> float:
        return USUAL_PROOF * self.ground.proof_s(plan)

    def _prove(self, plan: Setting) -> None:
        """Have a plan proven; what is unfit leaves, and what had left beside it is asked again."""
        if plan in self.proven:
            return
        unfit = self.ground.unfit(plan, {one: self.gain(one) for one in plan})
        if not unfit:
            self.proven.add(plan)
            return
        self._remove(unfit)
        for one, beside in list(self.out.items()):
            if beside is not None and beside & unfit:
                del self.out[one]

    def _taking_part(self) -> list[int]:
        """Return the factors that may be on."""
        return [one for one in self.live() if one not in self.waiting and one not in self.later]

    def _further(self) -> bool:
        """Let the next level of a factor take part that is not surely slower; return whether there is one."""
        for one in self.later:
            before = self.factors[one].after
            assert before is not None, "a further level is one of a factor"
            usable = before not in self.later and self.out.get(before, NONE) is not None
            if usable and self._timed(before) and self.gain(before).high >= 0:
                self.later.remove(one)
                return True
        return False

    def _bring_in(self) -> bool:
        """Let the next factor that costs much once take part; return whether there is one that fits."""
        while costly := [one for one in self.waiting if one not in self.later]:
            one = max(costly, key=lambda other: self.factors[other].expected)
            self.waiting.remove(one)
            setting = self.factors.on(self.plan, one)
            if self.ground.setup_s(setting) + 4 * self.ground.block_s(NONE) < self._left_s(setting):
                self._asked_once = [self.plan, setting, self.plan, setting]
                return True
        return False

    def _finish(self) -> None:
        """Set the plan to the smallest one, proven, whose loss against the best is below 1 %.

        Where another one is proven already, and there is no time for the proof of this one, it is the other one.
        """
        self.plan = self._smallest()
        while self.plan not in self.proven:
            left_s = self.ground.left_s() - self.ground.closing_s(NONE)
            if self._usual_proof_s(self.plan) > left_s and self._best_proven():
                self.stop()
                return
            self._prove(self.plan)
            self.plan = self._smallest()

    def _best_proven(self) -> Setting:
        return max((plan for plan in self.proven if self._possible(plan)), key=self._plans.at_least)

    def _smallest(self) -> Setting:
        """Return the plan of what is likely to gain, or a setting that is surely better, without what is not needed."""
        timed = {one for one in self.readings.settings if self.again not in one and self._possible(one)}
        return self._plans.smallest(self.plan, timed)

    @property
    def _plans(self) -> Plans:
        return Plans(self.fit, self.model, self.factors)
