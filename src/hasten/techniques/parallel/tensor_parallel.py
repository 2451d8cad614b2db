"""Divide the linear layers of attention and MLPs over processes that compute the same batch together.

What it does
    torch's `parallelize_module`: of two linear layers with an activation function, gating or attention between them,
    each process has a part of the features in between. The layers before give a part of their outputs
    (`ColwiseParallel`), the layer behind takes it (`RowwiseParallel`), and its outputs are added up. Which layers these
    are is read from the graph of a pass, and proven by passes in parts; `nn.MultiheadAttention` is divided by heads.
    All others stay whole in each process, and a note says why. With `size` processes in a group, the groups share the
    batches (data parallel). With `sequence` (sequence parallel) each process has, in blocks that follow each other, the
    activations between the divided layers of some tokens of each sequence alone.

Why it helps
    A layer that does not fit, or is slow, on one device is held and computed by several. With `rows` each process has a
    part of the vocabulary in embeddings and in the output layer, and the scores of its own classes alone: a
    cross-entropy over a large vocabulary then takes a part of the memory and of the time. `sequence` divides what
    norms, dropout and residual additions keep, and sends as much: gathering and scattering in place of adding up.

When it hurts
    Two collectives for each divided pair of layers in every step, each as large as an activation, and nothing to
    compute meanwhile: only inside of a machine with fast links. Where a model fits, `ddp` moves less. `rows` adds up an
    activation for each embedding and one for the output layer, so it is for large vocabularies.

Numerics
    The same sums in another order. Dropout between divided layers draws other numbers in each process; with `sequence`
    all dropout in the blocks does.

Known problems
    Without `rows` embeddings and the output layer stay whole. Batches are read, and validation data judged on whole
    scores, by each process of a group. What looks at whole parameters or keeps copies of them is refused. `sequence` is
    refused where blocks have `nn.MultiheadAttention`, or anything but divided layers that is not computed token by
    token.

Source
    Shoeybi et al., 2019, arXiv:1909.08053; Korthikanti et al., 2022, arXiv:2205.05198;
    torch.distributed.tensor.parallel.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.parallel.parts import IN_PARTS, NOT_IN_PARTS, in_groups, why_not_in_groups
from hasten.techniques.parallel.sequence import Tokens, tokens
from hasten.techniques.parallel.splitting import splitting
from hasten.techniques.parallel.vocabulary import NO_VOCABULARY, Vocabulary, vocabulary
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class TensorParallel:
    """Divide linear layers over groups of `size` processes."""

    size: Annotated[int, Meta(ge=0, description="processes that hold one model together; 0 for all")] = 0
    rows: Annotated[bool, Meta(description="divide embeddings and the output layer by the rows of their weights")] = (
        False
    )
    sequence: Annotated[
        bool, Meta(description="give each process some of the tokens between divided layers: norms, dropout, sums")
    ] = False

    card: ClassVar[Card] = Card(
        name="tensor_parallel",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="parallelize_module: processes hold and compute parts of the linear layers of attention and MLPs",
        source="Shoeybi et al., 2019, arXiv:1909.08053",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch", "linear layers that follow each other"),
        conflicts=NOT_IN_PARTS,
        exceptions={"gradients": IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, what needs whole parameters, and models without layers that can be divided."""
        if (why := why_not_in_groups(recipe, self.size)) is not None:
            return why
        size = in_groups(recipe, self.size).per_share
        found = splitting(recipe, size)
        if self.rows and not (by_rows := self._by_rows(recipe)).layers:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(by_rows.left.items())[:3])
            return f"no rows of embeddings or of the output layer can be divided by {size}" + _in_brackets(reasons)
        if not found.anything and not self.rows:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(found.left.items())[:3])
            return f"no linear layers can be divided by {size}" + _in_brackets(reasons)
        if isinstance(some := self._tokens(recipe), str):
            return f"sequences cannot be divided by {size}: {some}"
        return None

    def _by_rows(self, recipe: Recipe) -> Vocabulary:
        """Return what is divided by rows."""
        if not self.rows:
            return NO_VOCABULARY
        size = in_groups(recipe, self.size).per_share
        found = splitting(recipe, size)
        return vocabulary(recipe, size, {name for split in found.splits for name in split.layers})

    def _tokens(self, recipe: Recipe) -> Tokens | str | None:
        """Return the blocks in which each process has some tokens, or why there are none; None where none is asked."""
        if not self.sequence:
            return None
        size = in_groups(recipe, self.size).per_share
        return tokens(recipe, size, splitting(recipe, size))

    def apply(self, recipe: Recipe) -> Recipe:
        """Divide the model before the optimizer is made."""
        from hasten.techniques.parallel.split_layers import divided

        processes, some = in_groups(recipe, self.size), self._tokens(recipe)
        assert not isinstance(some, str), "refused"
        return divided(recipe, processes, splitting(recipe, processes.per_share), self._by_rows(recipe), some)


def _in_brackets(reasons: str) -> str:
    return f" ({reasons})" if reasons else ""
