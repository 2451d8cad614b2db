"""What one trial found, in words: the ratio with its interval and n, and the reason, nothing said twice."""

from hasten.base.records.trial import Trial
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
    """Return the trials with those that were measured before those that were not, otherwise in their order."""
    return sorted(trials, key=lambda trial: trial.speedup is None)
