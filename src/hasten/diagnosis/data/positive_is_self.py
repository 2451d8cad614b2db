"""E30: the sample that shall be most like another one is that sample itself, or a copy of it.

Signal: cross-entropies over the similarities of all samples of a batch with all: a table that is symmetric but for what
the softmax adds to each row.
Threshold: none: the right class of each sample is the sample itself; or a sample with the same similarities to all.
Why: the loss is small without anything learned, since nothing is more like a sample than itself.
Example: `F.cross_entropy(z @ z.T, torch.arange(2 * n))` without a mask on the diagonal; both views made from the same
    augmented picture.
Wrong when: samples of one view stand on both sides on purpose, as for a term that only pushes all others away.
Source: Chen et al. 2020, arXiv:2002.05709, algorithm 1 (a sample is no pair of its own).
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, each_criterion, wrong
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a contrastive loss pairs samples with themselves."""
    return each_criterion(health, "positive_is_self", _judge)


def _judge(one: Criterion, command: str) -> Finding | None:
    if one.selves:
        sentence = "The loss compares samples with themselves: the right answer of each is the sample itself."
        advice = "similarity.fill_diagonal_(-inf), and labels = torch.arange(2 * n).roll(n): the other view"
    elif one.twins:
        sentence = "Both views of each sample are the same: the pair that the loss looks for needs no learning."
        advice = "model(view1), model(view2): augment each view by random numbers of its own"
    else:
        return None
    return wrong(
        "positive_is_self",
        sentence,
        value=1,
        threshold=0,
        advice=advice,
        check=command,
        explains=("overfit", "residual_collapsed", "samples_mixed", *CONSEQUENCES),
    )
