"""Which embeddings and output layers can be divided by the rows of their weights, and why others cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten import CrossEntropy, Task
from hasten.machine.facts import facts
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.techniques.parallel.vocabulary import vocabulary
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import baseline

from tiny_tasks import block_task


class Language(nn.Module):
    """An embedding, a layer and an output layer, with something done to the scores or a use of a weight elsewhere."""

    def __init__(self, after: Callable[[Tensor], Tensor] | None = None, tied: str = "", **embedding: Any) -> None:
        super().__init__()
        self.embed, self.layer, self.head = nn.Embedding(11, 8, **embedding), nn.Linear(8, 8), nn.Linear(8, 11)
        self.after, self.tied = after, tied
        if tied == "layer":
            self.other = nn.Linear(8, 11)
            self.other.weight = self.embed.weight
        if tied == "head":
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.tanh(self.layer(self.embed(tokens)))
        if self.tied == "functional":
            x = x + self.embed.weight.mean()
        if self.tied == "layer":
            x = x + self.other(x).mean()
        scores = self.head(x)
        return scores if self.after is None else self.after(scores)


def language(**changes: Any) -> Task:
    return block_task(model=lambda: Language(**changes))


def test_embeddings_and_the_output_layer_are_divided_tied_ones_included() -> None:
    for tied in ("", "head"):
        found = vocabulary(baseline(language(tied=tied)), 2, ())
        assert (found.embeddings, found.head, found.left) == (("embed",), "head", {})
    gpt = block_task(model=lambda: GPT(11, Size(layers=1, width=8, heads=2, length=7)))
    found = vocabulary(baseline(gpt), 2, ())
    assert found.head is not None
    assert len(found.embeddings) == 2


@pytest.mark.parametrize(
    ("task", "layer", "why"),
    [
        (lambda: language(after=lambda scores: 3 * torch.tanh(scores / 3)), "", ""),
        (lambda: language(padding_idx=0), "embed", "padding_idx"),
        (lambda: language(tied="functional"), "embed", "is used elsewhere, too"),
        (lambda: language(tied="layer"), "embed", "its weight is also that of a layer that stays whole"),
        (lambda: language(tied="head", max_norm=1.0), "head", "its weight is also that of a layer that stays whole"),
        (lambda: block_task(model=Language, loss=CrossEntropy(label_smoothing=0.1)), "head", "label smoothing"),
        (lambda: block_task(model=Language, loss=CrossEntropy(weight=[1.0] * 11)), "head", "class weights"),
        (
            lambda: block_task(model=Language, loss=lambda output, target: F.cross_entropy(output.mT, target)),
            "head",
            "no cross-entropy of torch.nn.functional",
        ),
    ],
)
def test_what_looks_at_all_rows_stays_whole_with_the_reason(task: Callable[[], Task], layer: str, why: str) -> None:
    found = vocabulary(baseline(task()), 2, ("0", "3"))
    if layer:
        assert why in found.left[layer]
        assert layer not in found.layers
    else:
        assert found.head is None


def test_each_process_has_a_row_at_least() -> None:
    recipe = baseline(language())
    assert vocabulary(recipe, 4, ()).head == "head"
    assert "leave one of 8 processes without any" in vocabulary(recipe, 8, ()).left["head"]
    assert vocabulary(recipe, 11, ()).head == "head"


def test_nothing_to_divide_by_rows_is_refused_with_the_reason() -> None:
    def refused(task: Task) -> str:
        return TensorParallel(rows=True).refuse(among(baseline(task), Processes(0, 2)), facts()) or ""

    assert refused(language()) == ""
    wrong = refused(block_task(model=lambda: Language(padding_idx=0), loss=CrossEntropy(label_smoothing=0.1)))
    assert wrong.startswith("no rows of embeddings or of the output layer can be divided by 2 (")
    assert "padding_idx" in wrong
