"""Pass over some of the samples that the model has learned, and count the others of them more.

What it does
    In each epoch, samples whose last loss was below the mean are left out with probability `ratio`; those of them that
    stay count 1 / (1 - ratio) as much, so that the expected gradient is that of all samples. The last epochs
    (`annealing`) use all samples.

Why it helps
    Fewer updates for an epoch: up to `ratio` times the share of samples below the mean, 20 to 40 % of the cost in the
    source's experiments at equal quality.

When it hurts
    The gradient of an epoch is noisier. Runs of a few epochs have nothing to learn from: the first epoch uses all
    samples, for no loss is known, and the last ones again.

Numerics
    Another path to the same objective: the gradient's mean is that of the whole data, its spread is larger.

Known problems
    Losses of samples that are left out grow old. The learning rate, the end of the run and all that follows its share
    go by the samples that are done or passed over, not by updates. Batch normalization sees only the kept samples. The
    training loss that is shown is an estimate for all samples.

Source
    Qin et al., 2023, arXiv:2303.04947 (InfoBatch), with its ratio of 0.5 and annealing from 0.875 on.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, cast

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional as F

from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import derive
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch, size_of, target_of
from hasten.techniques.input.own_order import samples_are_chosen
from hasten.training.loss import Count, CrossEntropy, Loss, LossFunction, SquaredError
from hasten.training.recipe import Recipe

LEAST_EPOCHS = 4
"""With fewer, the epochs that can leave something out are fewer than those that cannot."""


def losses_of_samples(loss: LossFunction, output: Tensor, batch: Batch) -> Tensor:
    """Return the summed loss of each sample: (samples,).

    Args:
        loss: cross-entropy or squared error; no other says what each sample adds to it.
        output: the model's, (samples, ...).
        batch: its last tensor is the target, (samples, ...).
    """
    if isinstance(loss, SquaredError):
        return F.mse_loss(output, target_of(batch), reduction="none").flatten(1).sum(1)
    assert isinstance(loss, CrossEntropy), "refused otherwise"
    return loss.terms(output, batch).reshape(size_of(batch), -1).sum(1)


class Scores:
    """The last loss of every sample, and what follows from it for the epoch: a `Sampling`.

    Args:
        samples: in the training data.
        ratio: of the samples below the mean, the share that is left out.
        annealing: share of the run from which on all samples are used.
    """

    def __init__(self, samples: int, *, ratio: float, annealing: float) -> None:
        self.ratio, self.annealing = ratio, annealing
        self.scores = torch.full((samples,), torch.inf)  # a sample that was never seen is not below any mean
        self.weights = torch.ones(samples)  # 0: left out
        self.ids, self.used = torch.empty(0, dtype=torch.int64), 0

    def begin(self, *, seed: int, epoch: int, progress: float) -> None:
        """Draw which of the samples below the mean are left out."""
        scores = self.scores = self.scores.cpu()
        self.weights = torch.ones(len(scores))
        if progress >= self.annealing:
            return
        low = scores < scores[scores.isfinite()].mean()
        generator = torch.Generator().manual_seed(derive(seed, "infobatch", epoch))
        out = low & (torch.rand(len(scores), generator=generator) < self.ratio)
        self.weights[low] = 1 / (1 - self.ratio)
        self.weights[out] = 0.0

    def kept(self) -> Tensor:
        """Return which samples the epoch uses."""
        return self.weights > 0

    def expect(self, ids: Tensor) -> None:
        """Note which samples the next batch consists of."""
        self.ids, self.used = ids, 0

    def weighed(self, loss: LossFunction) -> LossFunction:
        """Return the loss with each sample weighed."""
        return _Weighed(loss, self)

    def taken(self, count: int) -> Tensor:
        """Return the ids of the next `count` rows of the batch; after its last row comes its first again.

        Raises:
            BadInput: if the batch has not one row for each sample.
        """
        start = self.used if self.used < len(self.ids) else 0
        self.used = start + count
        if self.used > len(self.ids):
            raise BadInput(
                f"with the technique infobatch a batch must have one row for each of its samples; found {count} rows "
                f"from the {start + 1}. of {len(self.ids)} samples on. Leave it out of the plan."
            )
        return self.ids[start : self.used]

    def state(self) -> dict[str, Any]:
        """Return the scores and the weights of the epoch."""
        return {"scores": self.scores, "weights": self.weights}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on with other scores and weights."""
        self.scores, self.weights = state["scores"].clone(), state["weights"].clone()


@dataclass(frozen=True)
class _Weighed:
    loss: LossFunction
    known: Scores

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        if not torch.is_grad_enabled():
            return self.loss(output, batch)
        known, ids = self.known, self.known.taken(size_of(batch))
        each = losses_of_samples(self.loss, output, batch)
        known.scores = known.scores.to(each.device)
        known.scores[ids.to(each.device)] = each.detach().to(known.scores.dtype)
        weights = known.weights[ids].to(each.device, each.dtype)
        summed = (each * weights).sum()
        # The gradient is that of the weighed sum; the value shown is an estimate of the loss of all samples.
        shown = summed.detach() * (len(weights) / weights.sum())
        return Loss(summed - summed.detach() + shown, self.count(batch))

    def count(self, batch: Batch) -> Count:
        return cast(Count, self.loss.count(batch))  # of a loss over classes or numbers, which knows it


@dataclass(frozen=True)
class InfoBatch:
    """Pass over some of the samples that the model has learned."""

    ratio: Annotated[float, Meta(gt=0, lt=1, description="share of the samples below the mean that is left out")] = 0.5
    annealing: Annotated[float, Meta(gt=0, le=1, description="share of the run after which all are used")] = 0.875

    card: ClassVar[Card] = Card(
        name="infobatch",
        stage=Stage.INPUT,
        guarantee=Guarantee.MODEL,
        idea="skip some well-learned samples and weight the remaining ones more",
        source="Qin et al., 2023, arXiv:2303.04947",
        treats=("slow_convergence",),
        needs=("cross-entropy or squared error", "a run of several epochs, in batches"),
        conflicts=("fused_linear_cross_entropy", "sequence_packing"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other losses, full-batch descent, short runs, runs that end by the clock, and packed batches."""
        loss = recipe.subject.loss
        if not isinstance(loss, CrossEntropy | SquaredError):
            return f"the loss of each sample is unknown: needs cross-entropy; found {type(loss).__name__}"
        if (reason := samples_are_chosen(recipe)) is not None:
            return reason
        per_epoch = recipe.subject.steps_per_epoch
        if per_epoch == 1:
            return "every update uses all samples (full-batch descent)"
        steps = recipe.subject.planned_steps
        if steps is None or per_epoch is None:
            return "needs a number of epochs or steps; the run ends by time only"
        if steps < LEAST_EPOCHS * per_epoch:
            return f"a run of {steps / per_epoch:.1f} epochs is too short: the first and the last use all samples"
        if recipe.input.sampling is not None:
            return "another technique selects the samples already"
        if size_of(recipe.subject.batch()) != 2:
            return "batches need one row per sample"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Choose the samples of each epoch by their losses."""
        sampling = partial(Scores, ratio=self.ratio, annealing=self.annealing)
        return recipe.with_input(sampling=sampling)
