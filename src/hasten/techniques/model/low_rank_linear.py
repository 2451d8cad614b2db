"""Factor wide linear layers into two narrow ones.

What it does
    Replaces the weight (out x in) of a linear layer by the product of (out x rank) and (rank x in), the best one by
    singular values. At the end the factors are multiplied out again.

Why it helps
    rank (in + out) numbers and operations instead of in x out, forward, backward and in the optimizer.

When it hurts
    Fresh weights have full rank: truncation costs capacity. Two products of narrow matrices use the hardware worse
    than one of wide ones, so small layers gain nothing.

Numerics
    Another model: the best approximation of the dense layer at the start, of lower rank throughout.

Known problems
    The factors get their own weight decay, which is not that of the product. Tied weights and the first and last
    linear layer are left alone.

Source
    Eckart and Young, 1936; Denil et al., 2013, arXiv:1306.0543; Khodak et al., 2021, arXiv:2105.01029 (spectral
    initialization).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, cast

import torch
from msgspec import Meta
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.model.replacing import replace_layers, shared_parameters
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


class LowRankLinear(nn.Module):
    """A linear layer whose weight is `expand.weight @ reduce.weight`; (..., in) to (..., out)."""

    def __init__(self, dense: nn.Linear, rank: int) -> None:
        super().__init__()
        options = {"device": dense.weight.device, "dtype": dense.weight.dtype}
        self.reduce = nn.Linear(dense.in_features, rank, bias=False, **options)
        bias = cast("Tensor | None", dense.bias)  # torch's types say that there always is one
        self.expand = nn.Linear(rank, dense.out_features, bias=bias is not None, **options)
        with torch.no_grad():
            U, S, Vh = torch.linalg.svd(dense.weight, full_matrices=False)
            root = S[:rank].sqrt()
            self.expand.weight.copy_(U[:, :rank] * root)
            self.reduce.weight.copy_(root[:, None] * Vh[:rank])
            if bias is not None:
                self.expand.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.reduce(x))

    @property
    def weight(self) -> Tensor:
        """The weight (out, in) of the plain layer that does the same; torch's encoder layers read it to evaluate."""
        return self.expand.weight @ self.reduce.weight

    @property
    def bias(self) -> Tensor | None:
        """The bias (out) of the plain layer."""
        return self.expand.bias

    @torch.no_grad()
    def dense(self) -> nn.Linear:
        """Return the plain layer that computes the same."""
        weight, wide, tall = self.weight, self.reduce.in_features, self.expand.out_features
        layer = nn.Linear(wide, tall, bias=self.bias is not None, device=weight.device, dtype=weight.dtype)
        layer.weight.copy_(weight)
        if self.bias is not None:
            layer.bias.copy_(self.bias)
        return layer


def chosen_layers(model: nn.Module, share: float) -> dict[str, int]:
    """Return name -> rank of the linear layers whose factors are smaller than they are, the first and last left out."""
    shared = shared_parameters(model)
    layers = [(name, module) for name, module in model.named_modules() if type(module) is nn.Linear]
    found: dict[str, int] = {}
    for name, layer in layers[1:-1]:
        rank = max(1, round(share * min(layer.in_features, layer.out_features)))
        smaller = rank * (layer.in_features + layer.out_features) < layer.weight.numel()
        if smaller and id(layer.weight) not in shared:
            found[name] = rank
    return found


def factor_linears(model: nn.Module, share: float) -> nn.Module:
    """Replace the chosen linear layers by factored ones, in place."""
    ranks = chosen_layers(model, share)

    def factored(name: str, layer: nn.Module) -> nn.Module | None:
        return LowRankLinear(layer, ranks[name]) if name in ranks and isinstance(layer, nn.Linear) else None

    return replace_layers(model, factored)


def multiply_out(model: nn.Module) -> nn.Module:
    """Put plain linear layers back in place of the factored ones, in place."""
    return replace_layers(model, lambda name, layer: layer.dense() if isinstance(layer, LowRankLinear) else None)


@dataclass(frozen=True)
class LowRank:
    """Factor wide linear layers into two narrow ones."""

    share: Annotated[float, Meta(gt=0, lt=1, description="rank, as a share of the smaller side")] = 0.25

    card: ClassVar[Card] = Card(
        name="low_rank_linear",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="low-rank factorization: replace a wide linear layer with two narrow ones",
        source="Denil et al., 2013, arXiv:1306.0543; Khodak et al., 2021, arXiv:2105.01029",
        treats=("low_compute_efficiency", "optimizer_heavy", "near_memory_limit"),
        needs=("linear layers between the first and the last",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without a linear layer that gets smaller."""
        if not chosen_layers(recipe.subject.model(), self.share):
            return "the model has no linear layer between its first and its last that would get smaller"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Factor the layers before training and multiply them out after it."""
        return recipe.with_surgery(partial(factor_linears, share=self.share), undo=multiply_out)

    def source(self, recipe: Recipe) -> Source:
        """Return the change of the model."""
        return Source(
            copies=(factor_linears, multiply_out),
            model=f"model = factor_linears(model, share={self.share!r})",
            undo="model = multiply_out(model)",
        )
