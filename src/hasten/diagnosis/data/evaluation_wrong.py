"""E28: the result of the evaluation is not what it is taken for.

Signal: the code around the calls of the model, with what its names stand for while it runs, the outputs, and the loader
    of the evaluation.
Threshold: none for the code: real outputs compared with real targets by `==` and counted; a sum over the samples of a
    loader that is divided by the length of another data set, or by its batches; logits of a model that trains with
    `binary_cross_entropy_with_logits` compared with 0.5 or rounded; the class taken as `argmax` over the samples, or
    over a single output; five equal passes of a model with dropout over the same inputs that are stacked, as to see
    how they differ. A tenth of the evaluated data set that `drop_last=True` leaves out in each evaluation.
Why: the model may be right while its number says otherwise, or the other way round, and choices follow the number.
Example: `correct / len(train_loader.dataset)` after a loop over the test data; `(model(x) > 0.5) == y` without sigmoid.
Wrong when: the number is not taken for a score: a number of right answers for each batch.
Source: torch's quickstart (accuracy by the data set's size); lss-1138/SparseTSF issue 3 (drop_last in a test);
    Gal and Ghahramani 2016, arXiv:1506.02142 (dropout in an evaluation).
"""

from hasten.base.records.data_facts import DataFacts, Misread, Part
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.data.criteria import OVER_CLASSES
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome

LEFT_OUT = 0.1


def find(health: Health) -> Outcome:
    """Fire where a result is made wrongly of right outputs, or of a part of the data."""
    facts = facts_of(health)
    if health.data is None or not (facts.evaluations or facts.misreads):
        return Abstained(symptom="evaluation_wrong", reason="no evaluation was seen")
    for one in facts.misreads:
        if (told := _sentence(one, facts)) is not None:
            sentence, advice = told
            return _finding(health, f"Line {one.line}: {sentence}", advice, value=one.used, threshold=one.wanted)
    part = max((one for one in facts.evaluations if not one.same_set), key=_share_left_out, default=None)
    if part is None or _share_left_out(part) < LEFT_OUT:
        return None
    return _finding(
        health,
        f"{percent(_share_left_out(part))} of the evaluated data set, its last {part.left_out} samples, are never "
        "evaluated: its loader drops an incomplete last batch.",
        "DataLoader(test_set, batch_size=..., drop_last=False)",
        value=_share_left_out(part),
        threshold=LEFT_OUT,
    )


def _share_left_out(part: Part) -> float:
    return part.left_out / part.whole if part.whole else 0.0


def _sentence(one: Misread, facts: DataFacts) -> tuple[str, str] | None:
    """Return what is wrong with an expression, and what to write; None where it fits the criterion."""
    kinds = {criterion.kind for criterion in facts.criteria}
    if one.kind == "equality":
        return (
            f"`{one.code}` compares real numbers, which are hardly ever equal: the share of equal ones says nothing.",
            "judge numbers by their error: (pred - y).abs().mean(), or by R2",
        )
    if one.kind == "count":
        return (
            f"`{one.code}` divides a sum over {one.wanted} samples by {one.used}.",
            "divide by the number of samples that were added: count += len(y), then total / count",
        )
    if one.kind == "repeats":
        return (
            f"the passes `{one.code}` that are joined are all equal, since dropout is off: they have no spread.",
            "after model.eval(): for m in model.modules(): if isinstance(m, nn.Dropout): m.train()",
        )
    if one.kind == "threshold" and kinds == {"bce_logits"}:
        return (
            f"`{one.code}` asks logits for 0.5, which is a probability of 0.62: answers between are counted wrongly.",
            "(logits > 0), or (logits.sigmoid() > 0.5)",
        )
    if one.kind == "axis" and kinds and kinds <= set(OVER_CLASSES):
        return (
            f"`{one.code}` chooses among the {one.used} samples of the batch in place of its {one.wanted} classes.",
            "output.argmax(dim=1)",
        )
    if one.kind == "single":
        return (
            f"`{one.code}` chooses among a single output: it is class 0 for every sample.",
            "(output > 0).long() for a logit, (output > 0.5).long() for a probability",
        )
    return None


def _finding(health: Health, sentence: str, advice: str, *, value: float, threshold: float) -> Finding:
    return wrong(
        "evaluation_wrong",
        sentence,
        value=value,
        threshold=threshold,
        advice=advice,
        check=health.command,
        severity=Severity.WARNING,
        explains=(),
    )
