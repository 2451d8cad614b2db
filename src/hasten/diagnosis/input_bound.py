"""S1: the model waits for data.

Signal: the time from asking for a batch until the step has it, as a share of the wall time; on the CPU with all that
changes the batch, which nothing else could do meanwhile. It is told against the bound: the same steps on one batch
that is there already.
Threshold: 5 %; the cached-batch probe must agree that this can be gained.
Source: TensorBoard plugin of the PyTorch profiler (5 %), XProf (5 and 20 %), TraceML (10 and 20 %).
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import count, percent
from hasten.diagnosis.input_cause import input_cause
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup

_ADVICE = "load in the background, keep decoded data in memory, or make reading a sample cheaper"


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the cost of data is worth removing."""
    share = profile.share(*data_parts(profile))
    bound, source = data_gain(profile)
    recoverable = 1 - 1 / bound
    if share < MATTERS or recoverable < MATTERS:
        return None
    now, free = _rate(profile.samples_per_s), _rate(profile.samples_per_s * bound)
    cause = input_cause(profile)
    because = f": {cause.words}" if cause else ""
    return Finding(
        symptom="input_bound",
        severity=severity(recoverable),
        sentence=f"Data costs {percent(recoverable)} (bound {free}, now {now} samples/s){because}.",
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
    """Return the parts of the step that go to data; on a GPU the transfer has a rule of its own."""
    return ("input", "transfer") if profile.on_host else ("input",)


def data_gain(profile: Profile) -> tuple[float, str]:
    """Return at most how many times faster the step could be if data were there, and where that is known from.

    The share of the step is known from many steps, the probe's ratio from few: it sets the limits in which the share
    counts. A loader that works ahead hides its work in the share, and fills its queue while the probe trains on its one
    batch: there the steps of the real loop are compared with those on that batch.
    """
    probe, loading = profile.probe("cached_batch"), profile.loading
    by_share = speedup(profile.seconds(*data_parts(profile)) / profile.step_s.value)
    if probe is None or probe.ratio is None:
        return by_share, "share of the time"
    if loading is not None and (loading.ahead or loading.workers > 0):
        return max(profile.step_s.value * probe.ratio.value / probe.step_s, 1.0), probe.name
    bound = max(min(max(by_share, probe.ratio.low), probe.ratio.high), 1.0)
    return bound, "share of the time" if bound == by_share else probe.name


def _rate(samples_per_s: float) -> str:
    return count(samples_per_s).replace(" ", "")
