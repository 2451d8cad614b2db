"""T8: a norm layer gives almost nothing, or far too much.

Signal: root mean square of what each layer norm or RMS norm gives, on a training batch; the gains of norms before the
    first update.
Threshold: below 0.01 or above 30, after 50 updates. A gain of 1 gives 1; trained models have 0.05 to 10. At the start
    the gains of half of the norms below 0.1, but not 0, or above 10.
Why: a gain near 0 cuts the path behind it; a large one saturates what follows.
Example: an `init` that gives every parameter a standard deviation of 0.02, the gains of norms as well; weight decay of
    norm gains over a long training.
Wrong when: gates begin at zero on purpose and have hardly been trained.
Source: DEFault++ (norm gains), 2026; weight decay is left out for norms since He et al. 2019, arXiv:1812.01187.
"""

import math

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import TRAINED, seen
from hasten.diagnosis.rule import Outcome

LEAST, MOST = 0.01, 30.0
_AT_START = (0.1, 10.0)


def find(health: Health) -> Outcome:
    """Fire where the output of a norm layer is out of scale, or its gain starts far from 1."""
    started = _off_at_start(health)
    if started is not None:
        return started
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
    sentence = f"{len(off)} of {len(facts.norms)} norm layers are out of scale: {worst.output:.2g} in {worst.name}."
    return _finding(health, sentence, worst.output, LEAST if worst.output < LEAST else MOST, worst.name)


def _off_at_start(health: Health) -> Finding | None:
    tracks = health.dynamics.parameters if health.dynamics is not None else ()
    gains = [one for one in tracks if one.kind.endswith("Norm") and one.name.endswith("weight")]
    off = [one for one in gains if one.start and not _AT_START[0] <= one.start <= _AT_START[1]]
    if len(off) < max(2, len(gains) / 2):
        return None
    first = off[0]
    sentence = f"The gains of {len(off)} of {len(gains)} norms start far from 1: {first.start:.2g} in {first.name}."
    return _finding(health, sentence, first.start, _AT_START[first.start > 1], first.name)


def _finding(health: Health, sentence: str, value: float, threshold: float, where: str) -> Finding:
    return Finding(
        symptom="norm_gain_off",
        severity=Severity.WARNING,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=where,
        advice="initialize gains with 1, and give norms their own parameter group with weight_decay=0",
        check=health.command,
        explains=(
            "initial_loss_off",
            "logits_too_large",
            "attention_collapsed",
            "attention_uniform",
            "vanishing_gradient",
            "exploding_gradient",
        ),
    )
