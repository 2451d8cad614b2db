"""W35: an embedding is frozen while its numbers are random.

Signal: embeddings whose weight needs no gradient, and whether its numbers are like independent draws of one normal
    distribution: mean, kurtosis, largest singular value. One that was trained or loaded before is
    left out, and one beside which other layers are frozen.
Threshold: all of them within what chance gives, for 500 numbers and more.
Why: vectors that mean nothing are never learned.
Example: `nn.Embedding.from_pretrained(torch.randn(10000, 100))`, which freezes; a file of vectors that was not found.
Wrong when: random codes are wanted, as a hash.
Source: documentation of torch.nn.Embedding.from_pretrained (freeze=True); Martin and Mahoney 2021 (random weights have
    the spectrum of Marchenko and Pastur).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import leaves


def find(health: Health) -> Outcome:
    """Fire where a frozen embedding is noise."""
    if health.wiring is None or health.wiring.leaves is None:
        return Abstained(symptom="frozen_at_random", reason="the parameters were not seen")
    if health.wiring.loadings:
        return Abstained(
            symptom="frozen_at_random", reason="weights were loaded, and may have been trained for a while"
        )
    frozen = [one for one in leaves(health.wiring) if one.model is not None and not one.trainable]
    trained = any(one.reached or one.gradient is not None for one in frozen)  # before it was frozen
    if not frozen or trained or not all(one.noise for one in frozen):  # others beside it stand for a pretrained model
        return None
    found = frozen[0]
    return Finding(
        symptom="frozen_at_random",
        severity=Severity.CRITICAL,
        sentence=f"{found.name} is frozen, and its numbers are random: its vectors mean nothing and are never learned.",
        value=1,
        threshold=0,
        bound=None,
        where=found.name,
        advice="nn.Embedding.from_pretrained(vectors, freeze=False), or load the vectors that were meant",
        check=health.command,
        explains=("not_learning", "slow_convergence", "plateau", "overfit"),
    )
