"""T10: attention crosses the documents that are packed into a row.

Signal: positions that begin anew at 0 within each row tell where documents begin; tokens of the first one are
    exchanged, in evaluation mode on a training batch, and outputs of the later ones are compared.
Threshold: a change of 1e-4 of the largest output; rounding gives about 1e-6.
Why: a document is read with the end of another one as its context, which does not come before it when it is used.
Example: packed rows with `position_ids` that begin anew, and a plain causal mask.
Wrong when: crossing is accepted for its speed, as in much pretraining.
Source: Zhao et al. 2024, arXiv:2402.13991 (masking between packed documents).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.attention.facts import CHANGED, lacks, seen
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where another document of the row changes outputs."""
    facts = seen(health, "crosses_documents")
    if isinstance(facts, Abstained):
        return facts
    if facts.documents is None:
        return lacks(facts, "crosses_documents", "no positions that begin anew within rows were seen")
    if facts.documents < CHANGED:
        return None
    return Finding(
        symptom="crosses_documents",
        severity=Severity.WARNING,
        sentence=f"Outputs change by {percent(facts.documents)} when only another document of the row changes.",
        value=facts.documents,
        threshold=CHANGED,
        bound=None,
        where=facts.model,
        advice="mask attention between documents: a block diagonal mask, or torch.nn.attention.varlen",
        check=health.command,
    )
