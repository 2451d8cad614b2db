"""One trial as text: the ratio with its interval and n, and the reason; nothing is said twice."""

from collections.abc import Iterable

from hasten.base.records.trial import Trial, Verdict
from hasten.base.stages import Guarantee
from hasten.report.wording import bounds, plural, ratio


def finding(trial: Trial) -> str:
    """Return what was measured and why the trial ended as it did; a reason that states the ratio gets only its n."""
    speedup, reason = trial.speedup, trial.reason
    if speedup is None:
        return reason or "not measured"
    if bounds(speedup) in reason:
        return f"{reason}; n = {plural(speedup.n, 'pair')}"
    return "; ".join(filter(None, (ratio(speedup, "pair"), reason)))


def beside(trial: Trial) -> str:
    """Return the techniques that both sides had, unless the reason names them; empty where there were none."""
    words = f"beside {', '.join(trial.base)}"
    return words if trial.base and words not in trial.reason else ""


def proof(trial: Trial) -> str:
    """Return the numerical check of a trial as text; empty where it had none."""
    gate = trial.gate
    if gate is None:
        return ""
    outcome = "passed" if gate.passed else "failed"
    return f"check of {gate.guarantee.value} {outcome}: {gate.measured:.3g}, limit {gate.bound:.3g}"


def kept_first(trials: tuple[Trial, ...]) -> list[Trial]:
    """Return the trials that were run: what was kept first, then what else was measured, the largest gain first."""
    tried = [trial for trial in trials if trial.verdict not in (Verdict.NOT_ALLOWED, Verdict.NOT_APPLICABLE)]
    return sorted(
        tried,
        key=lambda one: (
            one.verdict is not Verdict.KEPT,
            one.speedup is None,
            -one.speedup.value if one.speedup is not None else 0.0,
        ),
    )


def not_applicable(trials: Iterable[Trial]) -> list[Trial]:
    """Return one trial for each technique that does not apply here and was never tried, in order."""
    tried = {trial.technique for trial in trials if trial.verdict is not Verdict.NOT_APPLICABLE}
    refused = {trial.technique: trial for trial in trials if trial.verdict is Verdict.NOT_APPLICABLE}
    return [trial for name, trial in refused.items() if name not in tried]


def out_of_budget(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that were not measured because the budget was used up."""
    return [trial for trial in trials if trial.verdict is Verdict.INCONCLUSIVE and trial.speedup is None]


def not_allowed(trials: tuple[Trial, ...]) -> list[str]:
    """Return one sentence per guarantee that was not allowed, naming the techniques that need it."""
    return [f"Not tried without --allow {kind}: {', '.join(names)}." for kind, names in need_permission(trials).items()]


def need_permission(trials: tuple[Trial, ...]) -> dict[Guarantee, list[str]]:
    """Return the techniques that were not tried because their guarantee was not allowed, by guarantee."""
    waiting: dict[Guarantee, list[str]] = {}
    for trial in trials:
        if trial.verdict is Verdict.NOT_ALLOWED:
            waiting.setdefault(trial.guarantee, []).append(trial.technique)
    return waiting
