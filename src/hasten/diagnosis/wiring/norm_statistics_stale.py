"""W31: the running statistics of batch norms are still those of the start.

Signal: momentum of batch norms with running statistics, and how many batches they have seen; the statistics of a copy
of the trained model that follows its weights and is evaluated.
Threshold: the numbers of the start (mean 0, variance 1) still make up a fifth at the end of a complete training of 30
    batches and more: (1 - momentum) ** batches.
Why: in evaluation mode the layers normalize by other numbers than those that the model was trained with.
Example: `nn.BatchNorm2d(64, momentum=0.001)`, ported from a library that counts the share that is kept: 0.999 there is
    0.001 here, and a short training does not reach the statistics. An average of the weights whose loop runs over
    `parameters()` and leaves the buffers out.
Wrong when: the statistics are replaced before the evaluation, as by `torch.optim.swa_utils.update_bn`.
Source: documentation of torch.nn.BatchNorm2d (momentum is the share of the new batch).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome

_LEFT, _BATCHES = 0.2, 30
_FOLLOWS = 0.5  # cosine of the weights of a copy and of the trained model


def find(health: Health) -> Outcome:
    """Fire where evaluation uses statistics that training has hardly changed."""
    models = None if health.wiring is None else health.wiring.models
    if health.wiring is None or not models:
        return Abstained(symptom="norm_statistics_stale", reason="no model was called")
    if not health.complete:
        return Abstained(symptom="norm_statistics_stale", reason="the training was not seen to its end")
    copies = [one for one in health.wiring.twins if one.fresh_norms and one.evaluating]
    average = next((one for one in copies if one.changed or one.cosine > _FOLLOWS), None)
    if average is not None:
        return _found(
            health,
            f"The batch norms of a copy of {average.name} that is evaluated have the statistics of the start, "
            "while its weights follow the training.",
            1.0,
            average.name,
            "copy the buffers, too: for mean, new in zip(average.buffers(), model.buffers()): mean.copy_(new)",
        )
    found = next(
        (one for one in models if one.evaluated > one.evaluated_training and one.norm_batches >= _BATCHES and
         one.norm_left >= _LEFT),
        None,
    )  # fmt: skip
    if found is None:
        return None
    return _found(
        health,
        f"After {found.norm_batches} batches {percent(found.norm_left)} of the batch norms' statistics are "
        "still those of the start.",
        found.norm_left,
        found.name,
        "momentum=0.1 in the batch norms: the share of the new batch, not the share that is kept",
    )


def _found(health: Health, sentence: str, value: float, where: str, advice: str) -> Finding:
    return Finding(
        symptom="norm_statistics_stale",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=_LEFT,
        bound=None,
        where=where,
        advice=advice,
        check=health.command,
        explains=("overfit", "validation_differs"),
    )
