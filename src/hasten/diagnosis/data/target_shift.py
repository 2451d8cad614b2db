"""E16: the targets are in the inputs, or are shifted wrongly against them.

Signal: of models of tokens or of a series the share of targets that are the input at the same place, or some places
further on, or the next token where they are read as (length, batch), and whether an output depends on
later inputs; of tables a column that is the target.
Threshold: 95 % of the targets where the next token is another one; a column with a correlation of 1.
Why: what is in the input need not be predicted: the loss falls to 0, and the model is of no use.
Example: `cross_entropy(model(x), x)` for next-token prediction; labels that are shifted by hand and again in the
model; `logits.view(-1, classes)` of (batch, length) against `targets.T.reshape(-1)`.
Wrong when: copying is the task. Autoencoders, whose outputs depend on all inputs, do not count.
Source: the documentation of labels in Hugging Face's causal language models (shifted inside the model); Kapoor and
Narayanan 2023, leakage L2 (a proxy of the target among the features).
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.criteria import SAME
from hasten.diagnosis.data.said import CONSEQUENCES, REGRESSION, facts_of, wrong
from hasten.diagnosis.rule import Outcome

_CORRELATION = 1.0


def find(health: Health) -> Outcome:
    """Fire where targets are among the inputs, or shifted by another distance than one token."""
    facts = facts_of(health)
    if not facts.criteria:
        return Abstained(symptom="target_shift", reason="no criterion of torch was seen behind the loss")
    if facts.target_column is not None:
        return _found(
            f"Column {facts.target_column} of the inputs is the target.",
            _CORRELATION,
            "drop the column of the target, and all that is computed from it, from the inputs",
            health.command,
        )
    if any(one.copies.get(1, 0.0) >= SAME for one in facts.criteria):
        return None
    if (share := max(one.transposed for one in facts.criteria)) >= SAME:
        return _found(
            f"{share:.0%} of the targets are the next token of another row: the batch is flattened in two orders.",
            share,
            "flatten both alike: logits.flatten(0, 1), targets.flatten(), of (batch, length, classes), (batch, length)",
            health.command,
        )
    return next((found for one in facts.criteria if (found := _shifted(one, health.command)) is not None), None)


def _shifted(one: Criterion, command: str) -> Finding | None:
    shift, share = max(one.copies.items(), key=lambda pair: pair[1], default=(1, 0.0))
    if share < SAME or shift == 1 or (shift <= 0 and not one.causal):
        return None
    series = one.kind in REGRESSION
    if series and shift > 0:  # a forecast further ahead
        return None
    if series:
        sentence = f"{share:.0%} of the targets are an input that the model has seen: there is nothing to forecast."
    elif shift == 0:
        sentence = f"{share:.0%} of the targets are the input token at the same place: there is nothing to predict."
    elif shift < 0:
        sentence = f"{share:.0%} of the targets are a token that the model has seen {-shift} places before."
    else:
        sentence = f"{share:.0%} of the targets are the token {shift} places further on, not the next one."
    what = "series" if series else "tokens"
    return _found(sentence, share, f"x, y = {what}[:, :-1], {what}[:, 1:], shifted only once", command)


def _found(sentence: str, value: float, advice: str, command: str) -> Finding:
    return wrong(
        "target_shift",
        sentence,
        value=value,
        threshold=SAME,
        advice=advice,
        check=command,
        explains=(
            "labels_unfit",
            "targets_shuffled",
            "overfit",
            "leak_across_splits",
            "validation_differs",
            *CONSEQUENCES,
        ),
    )
