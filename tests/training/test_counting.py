"""What the mean of a loss of one's own is taken over is found by trying, and said where nothing fits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.data.batch import split_batch
from hasten.training.additivity import find_counting
from hasten.training.counting import Counting
from hasten.training.loss import OfMean, OfReturned
from hasten.training.output import itself, own_loss
from hasten.training.recipe import call_model, call_with_all

VOCABULARY, LENGTH = 11, 7


class Language(nn.Module):
    """A small language model that returns its loss as transformers' models do."""

    def __init__(self, kind: str = "next") -> None:
        super().__init__()
        self.kind = kind
        self.embed, self.head = nn.Embedding(VOCABULARY, 8), nn.Linear(8, VOCABULARY)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        scores = self.head(self.embed(input_ids).cumsum(1))
        if self.kind == "next":
            loss = F.cross_entropy(scores[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        elif self.kind == "labels":
            loss = F.cross_entropy(scores.flatten(0, 1), labels.flatten())
        elif self.kind == "mask":
            each = F.cross_entropy(scores.transpose(1, 2), labels.clamp(min=0), reduction="none")
            loss = (each * attention_mask).sum() / attention_mask.sum()
        elif self.kind == "samples":
            each = F.cross_entropy(scores.transpose(1, 2), labels.clamp(min=0), reduction="none")
            loss = (each * attention_mask).sum(1).div(attention_mask.sum(1)).mean()
        else:
            loss = F.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="sum")
        return {"loss": loss, "logits": scores}


def texts() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(VOCABULARY, (6, LENGTH), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}


@pytest.mark.parametrize(
    ("kind", "over"),
    [
        ("next", "the labels that are not -100, without the first of each row"),
        ("labels", "the labels that are not -100"),
        ("mask", "the tokens of the mask"),
        ("samples", "the samples"),
        ("sum", "nothing: it is a sum"),
    ],
)
def test_the_divisor_of_a_models_own_loss_is_found_although_no_label_is_ignored_in_the_batch(kind: str, over: str):
    found = find_counting(OfReturned(own_loss), call_with_all, Language(kind), texts())
    assert (found.over, found.broken) == (over, "")


def plain(batch: int = 6) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return nn.Linear(4, 3), (torch.randn(batch, 4, generator=generator), torch.arange(batch) % 3)


def contrastive(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output @ output.T, torch.arange(len(output)))


@pytest.mark.parametrize(
    ("function", "over", "broken"),
    [
        (lambda output, target: F.cross_entropy(output, target), "the labels that are not -100", ""),
        (lambda output, target: (output[:, 0] - target).abs().mean(), "the samples", ""),
        (contrastive, "the samples", "not the mean of the losses of its parts"),
        (lambda output, target: output.std(), "the samples", "not the mean of the losses of its parts"),
    ],
    ids=["labels", "samples", "contrastive", "deviation"],
)
def test_the_divisor_of_a_function_of_output_and_target(function: Callable[..., Tensor], over: str, broken: str):
    model, batch = plain()
    found = find_counting(OfMean(function), call_model, model, batch)
    assert found.over == over
    assert (broken in found.broken) if broken else found.broken == ""


def test_random_numbers_and_batches_that_cannot_be_split_are_reasons():
    model, batch = plain()

    def draws(model: nn.Module, batch: Any) -> Tensor:
        return (model(batch[0]) + torch.randn(len(batch[0]), 3)).square().mean()

    assert "random numbers" in find_counting(OfReturned(itself), draws, model, batch).broken
    packed = nn.utils.rnn.pack_sequence([torch.randn(3, 4), torch.randn(2, 4)])
    found = find_counting(OfReturned(itself), lambda model, batch: batch[1].sum(), model, (packed, torch.zeros(2)))
    assert "PackedSequence" in found.broken


def test_an_objective_that_says_its_count_is_believed():
    model, batch = plain()
    objective = lambda model, batch: (model(batch[0]).square().mean(), 3 * len(batch[0]))  # noqa: E731
    assert find_counting(OfReturned(itself), objective, model, batch).over == "the count that it returns"


def test_the_loss_of_parts_adds_up_by_what_was_found():
    batch, model = texts(), Language("next").eval()
    batch["labels"][0, 3:] = -100
    found: Counting = find_counting(OfReturned(own_loss), call_with_all, Language("next"), texts())
    loss = OfReturned(own_loss, found)
    with torch.no_grad():
        whole = loss(call_with_all(model, batch), batch)
        parts = [loss(call_with_all(model, part), part) for part in split_batch(batch, 4)]
    assert sum(part.count for part in parts) == whole.count == 6 * (LENGTH - 1) - 4
    assert float(sum(part.sum for part in parts)) == pytest.approx(float(whole.sum), rel=1e-5)


def test_a_loss_that_takes_no_part_of_a_batch_says_so() -> None:
    graph = torch.randn(8, 5), torch.randn(8, 30)

    def of_whole_graph(model: nn.Module, batch: Any) -> Tensor:
        return (batch[1] @ model(batch[0])).mean()

    found = find_counting(OfReturned(itself), of_whole_graph, nn.Linear(5, 3), graph)
    assert "the loss of a part of a batch failed with RuntimeError" in found.broken
