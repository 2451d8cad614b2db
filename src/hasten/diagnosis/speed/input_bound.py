"""S1: the model waits for data.

Signal: the time from asking for a batch until the step has it, as a share of wall time; on the CPU including
augmentation and preprocessing, which run in the same process. The bound comes from the same steps on one cached batch.
Threshold: 5 %; the ablation cached_batch must confirm that this can be gained.
Source: TensorBoard plugin of the PyTorch profiler (5 %), XProf (5 and 20 %), TraceML (10 and 20 %).
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import count, percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup
from hasten.diagnosis.speed.input_cause import input_cause

_ADVICE = "load in the background, cache decoded data in memory, or make reading a sample cheaper"


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where data loading slows the step down."""
    share = profile.share(*data_parts(profile))
    bound, source = data_gain(profile)
    recoverable = 1 - 1 / bound
    if share < MATTERS or recoverable < MATTERS:
        return None
    now, free = _rate(profile.samples_per_s), _rate(profile.samples_per_s * bound)
    rates = f" ({now} samples/s, {free} without)" if profile.batch_size else ""
    cause = input_cause(profile)
    because = f": {cause.words}" if cause else ""
    return Finding(
        symptom="input_bound",
        severity=severity(recoverable),
        sentence=f"Data loading costs {percent(recoverable)}{rates}{because}.",
        value=share,
        threshold=MATTERS,
        bound=bound,
        bound_from=source,
        where=cause.where if cause else "input",
        advice=cause.advice if cause else _ADVICE,
        check=recheck(profile),
        explains=("step_outliers",),
    )


def data_parts(profile: Profile) -> tuple[str, ...]:
    """Return the parts of the step that are data loading; on a GPU the transfer has its own rule."""
    return ("input", "transfer") if profile.on_host else ("input",)


def data_gain(profile: Profile) -> tuple[float, str]:
    """Return how many times faster the step could be at most without data loading, and the source of that bound.

    The share of the step comes from many steps, the ablation's ratio from few, so the share is used within the interval
    of the ratio. A loader that works ahead hides its work in the share: then it is the ablation's ratio alone.
    """
    ablation, loading = profile.ablation("cached_batch"), profile.loading
    by_share = speedup(profile.seconds(*data_parts(profile)) / profile.step_s.value)
    if ablation is None or ablation.ratio is None:
        return by_share, "share of the time"
    if loading is not None and (loading.ahead or loading.workers > 0):
        return max(ablation.ratio.value, 1.0), ablation.name
    bound = max(min(max(by_share, ablation.ratio.low), ablation.ratio.high), 1.0)
    return bound, "share of the time" if bound == by_share else ablation.name


def _rate(samples_per_s: float) -> str:
    return count(samples_per_s).replace(" ", "")
