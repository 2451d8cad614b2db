"""The techniques that gates can prove, chosen together by a factorial experiment; and what is said of each."""

import math
from collections.abc import Iterator, Sequence
from statistics import stdev

import msgspec

from hasten.base.records.known import AGAIN, Known, Proof
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Verdict
from hasten.base.units import seconds
from hasten.machine.advice import advice
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.begin import baseline_blocks, told_before
from hasten.tuning.break_even import cannot_pay
from hasten.tuning.budget import OutOfTime, now_s
from hasten.tuning.context import Hints, Laboratory, Plan, bench_of
from hasten.tuning.knobs import levels_of
from hasten.tuning.known import first_group, key_of, known_of, readings_of, share_known
from hasten.tuning.search.factors import Factor, Factors, Setting
from hasten.tuning.search.search import Search
from hasten.tuning.timing import Timing, ratio_of
from hasten.tuning.trials import blank, left_out, names

Kept = dict[Technique, Trial]
"""The techniques of a plan, each with the trial that shows what it adds to the others."""

UNUSABLE = (Verdict.NOT_APPLICABLE, Verdict.INACCURATE, Verdict.NO_EFFECT, Verdict.FAILED)
"""What stays true of a technique in this training, however long tuning may take."""
KEEP_EVERY_S = 2.0
MEMORY = "near_memory_limit"
ADVISED = 1.05
"""Speed-up that is expected of a technique that makes use of what was measured to be faster on this machine."""


class Selection:
    """One search, and what it found.

    Args:
        lab: where blocks are timed.
        free: techniques that gates can prove, none of which refuses the baseline.
        share: of the budget, counted from its start, that may be used.
    """

    def __init__(self, lab: Laboratory, free: Sequence[Technique], *, share: float) -> None:
        self.lab, self.plan = lab, Kept()
        self._refused = {one: why for one in free if (why := cannot_pay(one.card, lab.recipe, lab.step_s)) is not None}
        levels = levels_of([one for one in free if one not in self._refused], lab.recipe, lab.machine)
        self.chosen = [one.technique for one in levels]
        factors = factors_of(lab.machine, lab.hints, self.chosen, after=[one.after for one in levels])
        known = lab.store.shown(lab.free.threads)
        number = {one: index for index, one in enumerate(map(key_of, self.chosen))}
        self.timing = Timing(lab, self.chosen, factors, share=share, left_open=known.under_way)
        again, group = len(self.chosen), first_group(known)
        self._number = number | {AGAIN: again}
        self._key = {index: one for one, index in self._number.items()}
        self.search = Search(
            factors,
            self.timing,
            seed=lab.recipe.task.seed + group,
            again=again,
            known=readings_of(known, self._number),
            first_group=group,
        )
        self._told = set[int]()
        self._searched = {one.technique.card.name for one in levels[len(free) - len(self._refused) :]}
        self.earlier, self._began_s, self._kept_s = known, now_s(), -math.inf
        self._take_up(known)
        lab.earlier_s = share_known(known, number) * known.spent_s

    def trials(self) -> Iterator[Trial]:
        """Search, and yield the trial of each technique as soon as it is decided; fill `plan`."""
        for one, why in self._refused.items():
            yield blank(one, Verdict.NOT_APPLICABLE, why)
        self._began_s = now_s()
        try:
            if self.timing.left_s() > 0:
                logs = baseline_blocks(self.lab, self.timing)
                for text in told_before(self.lab, self.timing, len(self.search.live()), stdev(logs)):
                    self.lab.tell(text)
                self.search.note_baseline(logs)
            for _ in self.search.run():
                if now_s() >= self._kept_s + KEEP_EVERY_S:
                    self._keep()
                    self._learn(self.lab.store.news())
                yield from self._left()
        except OutOfTime:
            self.search.stop()
        except KeyboardInterrupt as interrupt:
            if self.lab.store.kept:
                interrupt.add_note("What was measured is kept: the next tuning goes on from there.")
            raise
        finally:
            self._keep()
        yield from self._left()
        kept = sorted(self.search.plan, key=lambda one: -self.search.gain(one).value)
        self.plan.update({self.chosen[one]: self._kept(one) for one in kept})
        yield from self.plan.values()
        said = {self.chosen[one].card.name for one in self.search.plan}
        for one, technique in enumerate(self.chosen):
            name = technique.card.name
            if one in self._told or one in self.search.plan or (name in self._searched and name in said):
                continue
            said.add(name)  # one trial for all values of its knobs: that of the first, where none is kept
            yield self._gone(one, self.search.out[one]) if one in self.search.out else self._not_kept(one)

    def _learn(self, known: Known) -> None:
        """Take up what another tuning has shown since."""
        self.search.learn(readings_of(known, self._number))
        self._take_up(known)

    def _take_up(self, known: Known) -> None:
        """Take up what else another tuning has shown: what cannot be used, what is proven, what it costs once."""
        number, lab = self._number, self.lab
        for key, trial in known.unusable.items():
            if key in number and not (trial.verdict is Verdict.INACCURATE and trial.technique in lab.accept):
                self.timing.trials[number[key]] = trial
        self.search.leave(one for one in self.timing.trials if one not in self.search.out)
        for proof in known.proofs:
            if number.keys() >= set(proof.plan):
                lab.proven[frozenset(self.chosen[number[key]] for key in proof.plan)] = proof.gate
        lab.setup_s |= {self.chosen[number[key]]: setup_s for key, setup_s in known.setup_s.items() if key in number}

    def _keep(self) -> None:
        """Keep what this search has shown by now."""
        self._kept_s, lab = now_s(), self.lab
        proven = {tuple(sorted(map(key_of, plan))): gate for plan, gate in lab.proven.items() if gate is not None}
        lab.store.keep(
            msgspec.structs.replace(
                known_of(self.search.own, self._key),
                threads=lab.free.threads,
                spent_s=now_s() - self._began_s,
                unusable={
                    self._key[one]: trial for one, trial in self.timing.trials.items() if trial.verdict in UNUSABLE
                },
                proofs=tuple(Proof(plan=plan, gate=gate) for plan, gate in proven.items()),
                setup_s={key_of(one): setup_s for one, setup_s in lab.setup_s.items()},
            )
        )

    def expected(self) -> Interval | None:
        """Return how many times faster the plan is than the baseline by all blocks, or None where they are too few."""
        gain = self.search.whole()
        return ratio_of(gain, len(self.search.readings)) if math.isfinite(gain.half) else None

    def _left(self) -> Iterator[Trial]:
        """Yield the trials of techniques that have left the search since the last call."""
        for one, beside in self.search.out.items():
            if one in self._told or one == self.search.again or self.chosen[one].card.name in self._searched:
                continue
            self._told.add(one)
            yield self._gone(one, beside)

    def _gone(self, one: int, beside: Setting | None) -> Trial:
        return self.timing.trials[one] if one in self.timing.trials else self._nothing_gained(one, beside)

    def _nothing_gained(self, one: int, beside: Setting | None) -> Trial:
        technique = self.chosen[one]
        if beside is not None and beside & self.search.factors[one].pointless_beside:
            what = ", ".join(names(self.timing.plan(beside)))
            why = f"cannot gain anything beside {what}, which is faster"
            return blank(technique, Verdict.NOT_APPLICABLE, why, self.timing.plan(beside))
        return self._measured(one)

    def _kept(self, one: int) -> Trial:
        gain, rest = self.search.gain(one), self.timing.plan(self.search.factors.off(self.search.plan, one))
        base = names(tuple(other for other in self.plan_members() if other != self.chosen[one]))
        if math.isfinite(gain.half) and self.search.sure(one):
            ratio = self._ratio(one)
            likely = "" if gain.low > 0 else ": likely, not yet sure by itself"
            why = f"{messages.ratio(ratio)} as fast{messages.beside(base)}{likely}"
            trial = msgspec.structs.replace(self._blank(one, Verdict.KEPT, why, base), speedup=ratio)
        else:
            why = "part of a plan that is faster as a whole; there was no time to tell its share"
            trial = self._blank(one, Verdict.KEPT, why, base)
        bench = bench_of(self.lab, (*rest, self.chosen[one])) if MEMORY in self.chosen[one].card.treats else None
        proof = self.timing.proofs.get(self.chosen[one])
        return msgspec.structs.replace(
            trial,
            gate=proof.gate if proof is not None else None,
            accepted=proof is not None and proof.accepted,
            reason=proof.reason if proof is not None and proof.accepted else trial.reason,
            peak_bytes=bench.peak_bytes() if bench is not None else None,
        )

    def _not_kept(self, one: int) -> Trial:
        technique = self.chosen[one]
        if one in self.search.waiting or not any(one in setting for setting in self.search.readings.settings):
            setup_s = technique.card.setup_s
            why = f"budget: it takes {seconds(setup_s)} or more once" if setup_s else "not measured: budget used up"
            return blank(technique, Verdict.INCONCLUSIVE, why, self.plan_members())
        return self._measured(one)

    def _measured(self, one: int) -> Trial:
        """Return the trial of a technique that was timed and is not kept."""
        gain, ratio = self.search.gain(one), self._ratio(one)
        other = self.search.factors.on(self.search.plan, one)
        base, replaced = names(self.timing.plan(other - {one})), names(self.timing.plan(self.search.plan - other))
        instead = f" instead of {', '.join(replaced)}" if replaced else ""
        shown = f"{messages.ratio(ratio)}{instead}{messages.beside(base)}"
        verdict, why = left_out(self.search, one, shown)
        trial = self._blank(one, verdict, why, base)
        return msgspec.structs.replace(trial, speedup=ratio if math.isfinite(gain.half) else None)

    def plan_members(self) -> Plan:
        """Return the techniques of the plan so far."""
        return self.timing.plan(self.search.plan)

    def _blank(self, one: int, verdict: Verdict, why: str, base: tuple[str, ...]) -> Trial:
        technique = self.chosen[one]
        setup_s = self.lab.setup_s.get(technique, 0.0)
        return msgspec.structs.replace(blank(technique, verdict, why), base=base, setup_s=setup_s)

    def _ratio(self, one: int) -> Interval:
        timed = [one in setting for setting in self.search.readings.settings]
        return ratio_of(self.search.gain(one), min(sum(timed), len(timed) - sum(timed)))


def noise_of(search: Search) -> Interval | None:
    """Return how many times faster the baseline is than itself, or None where that was not timed."""
    gain = search.noise()
    if gain is None or search.again is None or not math.isfinite(gain.half):
        return None
    return ratio_of(gain, search.readings.settings.count(frozenset({search.again})))


def factors_of(
    machine: Machine, hints: Hints, chosen: Sequence[Technique], *, after: Sequence[int | None] = ()
) -> Factors:
    """Return the factors of these techniques, and the baseline built a second time as the last one.

    Args:
        machine: what they are timed on.
        hints: what a profile lets one expect.
        chosen: the techniques; those of one name conflict.
        after: of each, the number of the one that it is a further level of, or None; nothing where none is.
    """
    number: dict[str, set[int]] = {}
    for index, one in enumerate(chosen):
        number.setdefault(one.card.name, set()).add(index)

    def numbers(wanted: Sequence[str]) -> Setting:
        return frozenset(index for name in wanted for index in number.get(name, ()))

    fast = {one.feature for one in advice(machine)}
    found = list[Factor]()
    for index, one in enumerate(chosen):
        card = one.card
        advised = ADVISED if fast & set(card.exploits) else 1.0
        found.append(
            Factor(
                card.name,
                expected=math.log(max(hints.gain(one), advised, 1.0)),
                conflicts=(numbers(card.conflicts) | number[card.name]) - {index},
                company=frozenset(min(number[name]) for name in card.best_with if name in number),
                pointless_beside=numbers(card.pointless_beside),
                setup_s=card.setup_s,
                after=after[index] if after else None,
            )
        )
    return Factors([*found, Factor("the baseline again", conflicts=frozenset(range(len(chosen))))])
