"""E19: a view or reshape takes the place of a transpose, and scrambles the numbers.

Signal: views in the graph of the first losses that give the sizes of a transposed tensor; pictures that become far
    smoother when they are read as (height, width, channels).
Threshold: none for views; a roughness of 0.85 for pictures.
Why: a view reads the numbers in the order in which they lie in memory, so that those of one row come to lie in others.
Example: `logits.view(batch, classes, length)` of logits (batch, length, classes), where `logits.transpose(1, 2)` is
    meant; `images.reshape(n, 3, h, w)` of images (n, h, w, 3).
Wrong when: the dimensions mean nothing yet, as those of noise.
Source: documentation of torch.Tensor.view and torch.permute; Karpathy, "A Recipe for Training Neural Networks" (view
    in place of transpose).
"""

from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, wrong
from hasten.diagnosis.rule import Outcome

ROUGHNESS = 0.85
_EXPLAINS = ("samples_mixed", "targets_shuffled", "attends_to_future", "overfit", "positions_unused", *CONSEQUENCES)


def find(health: Health) -> Outcome:
    """Fire where numbers are read in another order than they were written in."""
    seen = None if health.wiring is None else health.wiring.structure
    training = facts_of(health).training
    if seen is None and (training is None or training.roughness is None):
        return Abstained(symptom="axes_scrambled", reason="neither a graph of a loss nor pictures were seen")
    if seen is not None and seen.scrambled is not None:
        before, after = seen.scrambled
        return wrong(
            "axes_scrambled",
            f"A view reads {_shown(before)} as {_shown(after)}: it transposes nothing and scrambles rows.",
            value=1,
            threshold=0,
            advice="x.transpose(1, 2)  # or permute, in the place of view or reshape",
            check=health.command,
            explains=_EXPLAINS,
        )
    if training is None or training.roughness is None or training.roughness >= ROUGHNESS:
        return None
    return wrong(
        "axes_scrambled",
        f"Pictures read as (height, width, channels) have {training.roughness:.0%} of their roughness: "
        "reshape took the place of permute.",
        value=training.roughness,
        threshold=ROUGHNESS,
        advice="images.permute(0, 3, 1, 2), or images.transpose(0, 3, 1, 2) of numpy",
        check=health.command,
        explains=_EXPLAINS,
    )


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
