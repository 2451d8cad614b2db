"""What one trial found, in words: the ratio with its interval and n, and the reason, nothing said twice."""

from hasten.base.records.trial import Trial, Verdict
from hasten.base.stages import Guarantee
from hasten.report.wording import bounds, plural, ratio


def finding(trial: Trial) -> str:
    """Return what was measured and why the trial ended as it did; a reason that tells the ratio gets only its n."""
    speedup, reason = trial.speedup, trial.reason
    if speedup is None:
        return reason
    if bounds(speedup) in reason:
        return f"{reason}; n = {plural(speedup.n, 'pair')}"
    return "; ".join(filter(None, (ratio(speedup, "pair"), reason)))


def beside(trial: Trial) -> str:
    """Return the techniques that both sides had, unless the reason names them; empty where there were none."""
    words = f"beside {', '.join(trial.base)}"
    return words if trial.base and words not in trial.reason else ""


def measured_first(trials: tuple[Trial, ...]) -> list[Trial]:
    """Return the trials that were allowed, with those that were measured first, otherwise in their order."""
    allowed = [trial for trial in trials if trial.verdict is not Verdict.NOT_ALLOWED]
    return sorted(allowed, key=lambda trial: trial.speedup is None)


def not_allowed(trials: tuple[Trial, ...]) -> list[str]:
    """Return one sentence per guarantee that was not allowed, naming the techniques that wait for it."""
    waiting: dict[Guarantee, list[str]] = {}
    for trial in trials:
        if trial.verdict is Verdict.NOT_ALLOWED:
            waiting.setdefault(trial.guarantee, []).append(trial.technique)
    return [f"Not tried without --allow {kind}: {', '.join(names)}." for kind, names in waiting.items()]
