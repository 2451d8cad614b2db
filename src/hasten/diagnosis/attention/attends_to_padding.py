"""T1: the outputs of real tokens depend on padding.

Signal: the embedding of the padding token of a copy is changed, in evaluation mode on a training batch; outputs of
    real tokens (or of whole samples) are compared. Padding is one number that ends a quarter of the rows and is nowhere
    else. Of a recurrent layer: outputs of whole rows, where these are padded further.
Threshold: a change of 1e-4 of the largest output; rounding gives about 1e-6.
Why: the answer for a text depends on how long the other texts of its batch are.
Example: `nn.TransformerEncoder` without `src_key_padding_mask=(tokens == pad)`, or a mean over all positions;
    `outputs[:, -1]` of an LSTM whose rows have other lengths.
Wrong when: the number that ends the rows means something, such as silence or an empty cell.
Source: torch.nn.TransformerEncoderLayer (src_key_padding_mask); DEFault++ (mass on padding), 2026.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.attention.facts import CHANGED, lacks, seen
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where the embedding of padding changes outputs of real tokens, or of whole rows."""
    probes = () if health.wiring is None else health.wiring.probes
    recurrent = max((one.padding or 0.0 for one in probes), default=0.0)
    if recurrent >= CHANGED:
        return _found(
            health,
            f"Outputs change by {percent(recurrent)} with the padding: a recurrent layer reads on where the rows end.",
            recurrent,
            "",
            "pack_padded_sequence(x, lengths, enforce_sorted=False), or outputs[torch.arange(len(x)), lengths - 1]",
        )
    facts = seen(health, "attends_to_padding")
    if isinstance(facts, Abstained):
        return facts
    if facts.padded == 0:
        return Abstained(symptom="attends_to_padding", reason="no padding was seen in the batch")
    if facts.padding is None:
        return lacks(facts, "attends_to_padding", "the tokens of the model were not found")
    if facts.padding < CHANGED:
        return None
    return _found(
        health,
        f"Outputs of real tokens change by {percent(facts.padding)} when only that of padding does.",
        facts.padding,
        facts.model,
        "pass src_key_padding_mask=(tokens == pad) or attention_mask, and leave padding out of means",
    )


def _found(health: Health, sentence: str, value: float, where: str, advice: str) -> Finding:
    return Finding(
        symptom="attends_to_padding",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=CHANGED,
        bound=None,
        where=where,
        advice=advice,
        check=health.command,
        explains=("positions_unused", "vanishing_gradient", "not_learning", "plateau"),
    )
