"""W22: the workers of a loader draw the same random numbers.

Signal: random generators that a data set has, or finds in its module, and draws from in its methods; several workers
    without `worker_init_fn`.
Threshold: none: one is enough.
Why: each worker gets a copy of the generator in the same state, so that samples get equal noise and crops, and in
    every epoch again. torch seeds only the global generators of torch, numpy and Python in each worker.
Example: `self.generator = np.random.default_rng(0)` in the data set, drawn from in `__getitem__`, with 2 workers.
Wrong when: the draws do not matter, or the data set seeds it for each sample.
Source: torch's notes on randomness in multi-process data loading; Tanel Parnamaa's "numpy bug" (2021).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a generator is copied into every worker."""
    if health.wiring is None:
        return Abstained(symptom="same_random_numbers", reason="no training was seen")
    found = health.wiring.copied_generators
    if not found:
        return None
    return Finding(
        symptom="same_random_numbers",
        severity=Severity.WARNING,
        sentence="Every worker of the loader has a copy of the same random generator: their random numbers are equal.",
        value=len(found),
        threshold=0,
        bound=None,
        where=found[0],
        advice="DataLoader(..., worker_init_fn=seed)  # and seed it from get_worker_info().seed",
        check=health.command,
    )
