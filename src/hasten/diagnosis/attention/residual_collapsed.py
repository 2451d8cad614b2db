"""T7: blocks replace their input, or make all positions alike.

Signal: for a series of blocks of one class, the cosine between each position before and after the block, and between
    two positions after the last one, on a training batch.
Threshold: a median below 0.05 over at least two blocks (nothing of the input is kept), or positions alike above 0.999.
Why: without the residual path gradients and tokens do not come through; positions that are alike carry one token.
Example: `x = self.attn(self.norm(x))` in the place of `x = x + self.attn(self.norm(x))`.
Wrong when: blocks are meant to have no residual path; all tokens of the batch are the same.
Source: Dong et al. 2021, arXiv:2103.03404 (attention without residual paths loses rank).
"""

from statistics import median

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import seen
from hasten.diagnosis.rule import Outcome

LEAST_KEPT, ALIKE = 0.05, 0.999
FEWEST_BLOCKS = 2


def find(health: Health) -> Outcome:
    """Fire where blocks keep nothing of their input, or make positions alike."""
    facts = seen(health, "residual_collapsed")
    if isinstance(facts, Abstained):
        return facts
    if len(facts.blocks) < FEWEST_BLOCKS:
        return Abstained(symptom="residual_collapsed", reason="no series of blocks was seen")
    kept = median(abs(block.cosine) for block in facts.blocks)
    alike = facts.blocks[-1].similar
    if kept >= LEAST_KEPT and alike <= ALIKE:
        return None
    lost = kept < LEAST_KEPT
    sentence = (
        f"Blocks keep nothing of their input (cosine {kept:.2g}): the residual path is missing."
        if lost
        else f"All positions are alike after the last block (cosine {alike:.4f})."
    )
    return Finding(
        symptom="residual_collapsed",
        severity=Severity.WARNING,
        sentence=sentence,
        value=kept if lost else alike,
        threshold=LEAST_KEPT if lost else ALIKE,
        bound=None,
        where=facts.blocks[-1].name,
        advice="add the input of each sublayer to its output: x = x + self.attn(self.norm(x))",
        check=health.command,
        explains=("vanishing_gradient", "not_learning"),
    )
