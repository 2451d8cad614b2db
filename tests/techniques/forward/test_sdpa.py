"""Fused attention in place of the one that also returns its weights."""

import torch
from torch import Tensor, nn

from hasten import Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, mlp_task


class Attending(nn.Module):
    def __init__(self, use: str = "") -> None:
        super().__init__()
        self.use = use
        self.embed, self.head = nn.Embedding(11, 12), nn.Linear(12, 11)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        if self.use == "none":
            return self.head(self.attention(x, x, x, need_weights=False)[0])
        mixed, weights = self.attention(x, x, x, None, True)
        if self.use == "sum":
            return self.head(mixed) * weights.sum()
        if self.use == "maybe" and weights is not None:
            return 2 * self.head(mixed)
        return self.head(mixed)


def test_training_agrees_and_the_weights_are_not_made() -> None:
    # Gradient descent: the exact gradient of a key's bias is zero, and Adam would blow its rounding up.
    recipe = baseline(block_task(model=Attending, update=Update(optimizer="sgd", lr=0.5)))
    assert make("sdpa").refuse(recipe, facts()) is None
    plain, run = build(recipe), build(make("sdpa").apply(recipe))
    seen: list[object] = []
    run.model.attention.register_forward_hook(lambda module, args, output: seen.append(output[1]))
    for one in (plain, run):
        list(train(one))
    assert set(seen) == {None}
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-3)
    assert type(plain_model(run).attention) is nn.MultiheadAttention


def test_refuses_models_that_use_the_weights_or_have_none() -> None:
    technique, machine = make("sdpa"), facts()

    def reason(use: str) -> str | None:
        return technique.refuse(baseline(block_task(model=lambda: Attending(use))), machine)

    assert "uses the attention weights ('NoneType'" in reason("sum")
    assert "its output differs without them" in reason("maybe")
    assert "fused kernel already" in reason("none")
    assert "no nn.MultiheadAttention" in technique.refuse(baseline(mlp_task()), machine)
