"""The doctor beside a training that is kept: new findings while it runs, and the record of its health in its folder."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from hasten.base.records.finding import Finding, Found, Severity
from hasten.base.records.health import Health
from hasten.base.records.run import Event, Finished
from hasten.diagnosis.health_watch import HealthWatch
from hasten.diagnosis.registry import Tier, tier_of
from hasten.pipeline.diagnosing import WHOLE, judged, judged_quietly, watched
from hasten.training.run_folder import write_health
from hasten.training.running import Show
from hasten.training.session import Session

SHARE = 0.001
"""Of the time, for judging what was seen so far."""
FIRST_STEPS = 12
"""Steps before which nothing is judged; after them the wiring is, alone."""
WIRING_S, ALL_S = 0.001, 0.02
"""What the first judgements of the wiring and of everything are taken to cost."""


class RunWatch:
    """Watches wiring and dynamics of a training, judges them now and then, and shows each finding once.

    The wiring is judged soon after the start, all of it whenever there is a new sample and the time allows it.
    A finding that is neither critical nor about the wiring may be chance in a part of a training: it is shown when two
    judgements in a row make it, or the last one, which is made of the whole training.

    Args:
        name: of the training.
        command: that checks it again.
        folder: of the run, where the record is kept; None to keep none.
    """

    def __init__(self, *, name: str, command: str, folder: Path | None) -> None:
        self._watch = HealthWatch(name=name, command=command, tiers=(Tier.WIRING, Tier.DYNAMICS), probes=False)
        self._folder = folder
        self._complete = False
        self._told: set[str] = set()  # symptoms that were shown
        self._before: set[str] = set()  # symptoms of the last judgement
        self._sample = 0  # the newest one that was judged
        self._begun_s = self._spent_s = 0.0
        self._wiring_judged = False
        self._costs_s = ALL_S
        self._steps_before = 0
        judged_quietly(Health(name=name, steps=0))  # imports the rules, which takes longer than to judge

    @contextmanager
    def watching(self, run: Session, show: Show) -> Generator[None]:
        """Watch the steps of a session until the context ends; then judge all of it and keep the record."""
        self._show, self._begun_s, self._steps_before = show, perf_counter(), run.position.step
        try:
            with watched(run, self._watch):
                yield
        finally:
            self._watch.complete = self._complete
            if self._watch.steps:
                self._end()

    def see(self, event: Event) -> None:
        """Judge what was seen so far if there is a new sample and the time allows it."""
        if isinstance(event, Finished):
            self._complete = event.reason in WHOLE
            return
        if self._watch.steps < FIRST_STEPS:
            return
        if self._watch.newest_sample > self._sample and self._affords(self._costs_s):
            self._judge_all()
        elif not self._wiring_judged and self._affords(WIRING_S):
            self._judge_wiring()

    def _affords(self, cost_s: float) -> bool:
        return self._spent_s + cost_s <= SHARE * (perf_counter() - self._begun_s)

    def _judge_wiring(self) -> None:
        begin, self._wiring_judged = perf_counter(), True
        found = judged_quietly(self._watch.seen(), [Tier.WIRING]).findings
        self._spent_s += perf_counter() - begin
        self._tell(found)

    def _judge_all(self) -> None:
        begin, self._sample = perf_counter(), self._watch.newest_sample
        found = judged_quietly(health := self._watch.seen()).findings
        if self._folder is not None:
            write_health(self._folder, health)
        self._costs_s = perf_counter() - begin
        self._spent_s += self._costs_s
        self._tell(one for one in found if _is_sure(one) or one.symptom in self._before)
        self._before = {one.symptom for one in found}

    def _end(self) -> None:
        health = self._watch.seen()
        if self._folder is not None:
            write_health(self._folder, health)
        diagnosis = judged(health)
        self._tell(diagnosis.findings)
        if not self._told:
            self._show(diagnosis)

    def _tell(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            if one.symptom not in self._told:
                self._told.add(one.symptom)
                self._show(Found(finding=one, step=self._steps_before + self._watch.steps))


def _is_sure(finding: Finding) -> bool:
    return finding.severity is Severity.CRITICAL or tier_of(finding.symptom) is Tier.WIRING
