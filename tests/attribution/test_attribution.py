"""Attributions against models whose right ones are known, their checks, and what is left of the model."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Names, Task
from hasten.attribution.attribute import attribute
from hasten.attribution.methods import COMPLETE, STEPS, attributed
from hasten.base.errors import BadInput
from hasten.base.records.attribution import Attribution, Group, InputKind, Method
from hasten.machine import facts
from hasten.report.attribution_page import render_attribution
from hasten.techniques.baseline import baseline_of
from hasten.training.building import build
from hasten.training.session import Session

from tiny_tasks import cnn_task, mlp_task, regression_task

LENGTH, WORDS = 6, 9


class Bag(nn.Module):
    """The mean of the embeddings, and a linear layer; the padding has embedding 0."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(WORDS, 4, padding_idx=0), nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embed(tokens).mean(1))


class NextToken(nn.Module):
    """Scores of the next token at each position, (batch, length, tokens)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.core, self.head = nn.Embedding(WORDS, 4), nn.GRU(4, 8, batch_first=True), nn.Linear(8, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.core(self.embed(tokens))[0])


def tokens_task(model: Any, *, positions: bool = False, **changes: Any) -> Task:
    draws = torch.Generator().manual_seed(4)
    x = torch.randint(0, WORDS, (40, LENGTH), generator=draws)
    y = torch.randint(0, 3, (40, LENGTH) if positions else (40,), generator=draws)
    data = Data(
        train=TensorDataset(x, y), valid=TensorDataset(x, y), names=Names(tokens=[f"word{n}" for n in range(WORDS)])
    )
    return replace(mlp_task(), name="words", data=data, model=model, **changes)


def session(task: Task) -> Session:
    return build(baseline_of(task, facts()))


def explained(run: Session, method: Method = Method.INTEGRATED_GRADIENTS, **options: Any) -> Attribution:
    return attribute(run, of="runs/x", method=method, **{"samples": 1, "seed": 0, **options})


def test_a_linear_model_is_attributed_to_its_weights_times_the_distance_from_the_baseline():
    run = session(regression_task())
    x = run.recipe.task.data.valid.tensors[0]
    weight = run.model.weight[0].detach()
    wanted = {
        Method.INTEGRATED_GRADIENTS: lambda row: weight * (row - x.mean(0)),
        Method.GRADIENT_X_INPUT: lambda row: weight * row,
        Method.SALIENCY: lambda row: weight.abs(),
    }
    for method, right in wanted.items():
        found = explained(run, method)
        assert found.kind is InputKind.TABLE
        assert [one.group for one in found.samples] == [Group.ERROR, Group.ANY]
        for one in found.samples:
            torch.testing.assert_close(torch.tensor(one.attributions), right(x[one.index]), rtol=1e-4, atol=1e-5)
    assert found.samples[0].incompleteness is None  # saliency promises no sum


def test_tokens_are_attributed_through_their_embedding():
    run = session(tokens_task(Bag))
    found = explained(run)
    embed, head = run.model.embed.weight.detach(), run.model.head.weight.detach()
    for one in found.samples:
        tokens = torch.tensor(one.inputs).long()
        right = embed[tokens] @ head[int(one.predicted)] / LENGTH
        torch.testing.assert_close(torch.tensor(one.attributions), right, rtol=1e-4, atol=1e-5)
        assert one.names == tuple(f"word{token}" for token in tokens.tolist())
    assert found.baseline == "padding in every place"
    assert {one.group for one in found.samples} <= {Group.WRONG, Group.UNCERTAIN, Group.RIGHT}


def test_of_a_sequence_the_last_position_is_explained():
    found = explained(session(tokens_task(NextToken, positions=True)))
    assert all(len(one.attributions) == LENGTH and one.incompleteness <= COMPLETE for one in found.samples)


def test_an_image_has_one_attribution_per_pixel():
    run = session(cnn_task())
    found = explained(run)
    one = found.samples[0]
    assert (found.kind, one.shape, len(one.inputs), len(one.attributions)) == (InputKind.IMAGE, (2, 9, 7), 126, 63)
    assert sum(one.attributions) == pytest.approx(one.output - one.baseline_output, rel=0.02)


def test_the_page_has_pictures_and_escapes_tokens():
    assert render_attribution(explained(session(cnn_task()))).count("data:image/png;base64,") == 6
    task = tokens_task(Bag)
    run = session(replace(task, data=replace(task.data, names=Names(tokens=["<script>"] * WORDS))))
    page = render_attribution(explained(run))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_most_confident_mistakes_come_first():
    run = session(mlp_task())
    x, y = run.recipe.task.data.valid.tensors
    run.model.eval()
    with torch.no_grad():
        sure, predicted = run.model(x).softmax(1).max(1)
    wrong = (predicted != y).nonzero().flatten()
    assert len(wrong) > 1
    first = explained(run).samples[0]
    assert first.index == int(wrong[sure[wrong].argmax()])
    assert first.confidence == pytest.approx(float(sure[wrong].max()))


def test_a_steep_integral_gets_more_points():
    place, baseline = torch.full((1, 3), 1.0), torch.zeros(1, 3)
    found = attributed(
        Method.INTEGRATED_GRADIENTS, lambda x: torch.tanh(150 * (x.sum(1) - 1.4)).squeeze(), place, baseline
    )
    assert found.steps is not None
    assert found.steps > STEPS
    assert found.incompleteness is not None
    assert found.incompleteness <= COMPLETE


def test_the_sanity_check_tells_maps_that_do_not_depend_on_the_layer():
    class Ends(nn.Module):
        """What its last layer does is multiplied by 0."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.first(x) + 0 * self.last(x)

    found = explained(session(regression_task(model=Ends)))
    assert found.similarity == pytest.approx(1.0)
    assert "hardly depend" in found.sentence
    similarity = explained(session(cnn_task())).similarity
    assert similarity is not None
    assert similarity < 0.9


@pytest.mark.parametrize("method", list(Method))
def test_the_model_is_as_before(method: Method):
    run = session(cnn_task())
    run.model[1].eval()  # a person's own choice stays, too
    modes = [module.training for module in run.model.modules()]
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    state = torch.get_rng_state()
    explained(run, method)
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())
    assert [module.training for module in run.model.modules()] == modes
    assert all(parameter.grad is None for parameter in run.model.parameters())
    assert not any(module._forward_hooks for module in run.model.modules())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (tokens_task(lambda: nn.Sequential(nn.EmbeddingBag(WORDS, 4), nn.Linear(4, 3))), "no nn.Embedding"),
        (cnn_task(model=lambda: nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Flatten(), nn.Linear(126, 3)), data=Data(
            train=TensorDataset(torch.randn(9, 2, 1, 9, 7), torch.arange(9) % 3),
            valid=TensorDataset(torch.randn(9, 2, 1, 9, 7), torch.arange(9) % 3),
        )), "found an input of shape"),
        (mlp_task(objective=lambda model, batch: model(batch[0]).mean()), "its loss only"),
        (regression_task(model=lambda: nn.Linear(4, 4), data=Data(
            train=TensorDataset(torch.randn(9, 4), torch.randn(9, 4)),
            valid=TensorDataset(torch.randn(9, 4), torch.randn(9, 4)),
        )), "one number or one class"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_named(task: Task, words: str):
    with pytest.raises(BadInput, match=words):
        explained(session(task))


def test_without_captum_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(BadInput, match=r"pip install 'hasten\[attribution\]'"):
        explained(session(mlp_task()))
