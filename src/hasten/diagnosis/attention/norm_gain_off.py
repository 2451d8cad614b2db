"""T8: a norm layer gives almost nothing, or far too much.

Signal: root mean square of what each layer norm or RMS norm gives, on a training batch.
Threshold: below 0.01 or above 30, after 50 updates. A gain of 1 gives 1; trained models have 0.05 to 10.
Why: a gain near 0 cuts the path behind it; a large one saturates what follows.
Example: norms that are initialized with 0, or weight decay of norm gains over a long training.
Wrong when: gates begin at zero on purpose and have hardly been trained.
Source: DEFault++ (norm gains), 2026; weight decay is left out for norms since He et al. 2019, arXiv:1812.01187.
"""

import math

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import TRAINED, seen
from hasten.diagnosis.rule import Outcome

LEAST, MOST = 0.01, 30.0


def find(health: Health) -> Outcome:
    """Fire where the output of a norm layer is out of scale."""
    facts = seen(health, "norm_gain_off")
    if isinstance(facts, Abstained):
        return facts
    if not facts.norms:
        return Abstained(symptom="norm_gain_off", reason="no layer norm was seen")
    if facts.steps < TRAINED:
        return Abstained(symptom="norm_gain_off", reason=f"fewer than {TRAINED} updates were made")
    off = [norm for norm in facts.norms if not LEAST <= norm.output <= MOST]
    if not off:
        return None
    worst = max(off, key=lambda norm: abs(math.log(max(norm.output, 1e-30))))
    return Finding(
        symptom="norm_gain_off",
        severity=Severity.WARNING,
        sentence=f"{len(off)} of {len(facts.norms)} norm layers are out of scale: {worst.output:.2g} in {worst.name}.",
        value=worst.output,
        threshold=LEAST if worst.output < LEAST else MOST,
        bound=None,
        where=worst.name,
        advice="initialize gains with 1, and give norms their own parameter group with weight_decay=0",
        check=health.command,
        explains=("logits_too_large", "attention_collapsed", "vanishing_gradient"),
    )
