"""Which parts of a model become stages of a pipeline, and which models have none."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
import torch
from divided import tokens_task
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelining import Recurrent, gpt
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.machine.facts import facts
from hasten.techniques.parallel.balance_stages import SLACK, balanced
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.techniques.parallel.stages import Staging, staged, why_wrong
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline


def recipe_of(model: Callable[[], nn.Module]) -> Recipe:
    """Return a training of vectors of a model."""
    x = torch.randn(12, 8, generator=torch.Generator().manual_seed(1))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    task = Task(name="staged", data=Data(train=data, valid=data), model=model, batch_size=4, stop=Stop(steps=2))
    return baseline(task)


def in_stages(recipe: Recipe, count: int) -> Staging:
    found = staged(recipe, count)
    assert isinstance(found, Staging), found
    return found


def begins(found: Staging) -> list[str | None]:
    return [stage.begin for stage in found.stages]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_busiest_stage_has_as_little_work_as_cuts_allow_and_then_little_is_sent(data: st.DataObject) -> None:
    work = data.draw(st.lists(st.integers(0, 9), min_size=2, max_size=7))
    sent = data.draw(st.lists(st.integers(1, 9), min_size=len(work) - 1, max_size=len(work) - 1))
    stages = data.draw(st.integers(2, len(work)))

    def busiest(cuts: tuple[int, ...]) -> float:
        return max(sum(work[one:two]) for one, two in pairwise((0, *(cut + 1 for cut in cuts), len(work))))

    every = list(combinations(range(len(sent)), stages - 1))
    least = min(map(busiest, every))
    cuts = balanced(work, sent, stages)
    assert cuts in every
    assert busiest(cuts) <= least * SLACK
    assert sum(sent[cut] for cut in cuts) == min(
        sum(sent[cut] for cut in one) for one in every if busiest(one) <= least * SLACK
    )


class Masked(nn.Module):
    """Blocks that take a mask and positions, which the model makes of its inputs, beside what the last one returned."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(11, 8), nn.Parameter(torch.randn(7, 8))
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(4))
        self.head = nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        padding = (tokens == 0) * -1e9
        x = self.embed(tokens) + self.position
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=padding)
        return self.head(x)


class SharedBias(nn.Module):
    """Blocks that add the same learned bias, computed before the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.bias, self.head = nn.Embedding(7, 8), nn.Linear(8, 11)
        self.embed, self.layers = nn.Embedding(11, 8), nn.ModuleList(Biased() for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        bias = self.bias(torch.arange(tokens.shape[1]))
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, bias)
        return self.head(x)


class Biased(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return x + torch.tanh(self.inner(x) + bias)


def test_stages_of_a_gpt_begin_with_blocks_and_share_its_tied_weight() -> None:
    found = in_stages(baseline(tokens_task(gpt)), 2)
    assert begins(found) == [None, "blocks.2"]
    assert [stage.end for stage in found.stages] == ["blocks.2", None]
    assert {name for name, used in found.used.items() if len(used) > 1} == {"embed.weight"}
    assert all(used == {1} for name, used in found.used.items() if name.startswith(("blocks.2.", "blocks.3.")))
    assert all(0.4 < share < 0.6 for share in found.work)


@pytest.mark.parametrize(("model", "expected"), [(Masked, "layers.2"), (Recurrent, "second")])
def test_masks_positions_and_recurrent_layers_are_no_hindrance(model: Callable[[], nn.Module], expected: str) -> None:
    assert begins(in_stages(baseline(tokens_task(model)), 2)) == [None, expected]


def test_what_is_computed_once_and_used_in_all_blocks_is_shared() -> None:
    found = in_stages(baseline(tokens_task(SharedBias)), 2)
    assert found.used["bias.weight"] == {0, 1}
    assert "bias" not in found.stages[1].skipped


def test_a_sequence_is_cut_where_the_work_is_equal() -> None:
    layers = [nn.Linear(8, 64), nn.ReLU(inplace=True), nn.Linear(64, 64), nn.ReLU(inplace=True)]
    found = in_stages(recipe_of(lambda: nn.Sequential(*layers, nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))), 2)
    assert begins(found)[1] in ("3", "4")
    before = int(begins(found)[1] or 0)
    assert set(found.stages[1].skipped) == {str(number) for number in range(before)}


class Skip(nn.Module):
    """What the first layer gives is needed by the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return self.last(x) + self.middle(x)[:, :2]


class Detached(nn.Module):
    """The last layer is scaled by what the first one gives, without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        scale = x.detach().mean(1, keepdim=True)
        return self.last(torch.relu(self.second(x))) * scale


class Counting(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.last(torch.relu(self.first(x)))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: nn.Linear(8, 2), "2 stages need 1 places in the model"),
        (Skip, "2 stages need 1 places in the model"),
        (Detached, "computes something else in stages"),
        (Counting, "the buffer 'calls' changes in training"),
        (lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)), "changes in training"),
    ],
)
def test_models_without_stages_are_told_why(model: Callable[[], nn.Module], reason: str) -> None:
    found = staged(recipe_of(model), 2)
    assert isinstance(found, str)
    assert reason in found


def test_a_stage_that_lacks_something_is_noticed() -> None:
    recipe = baseline(tokens_task(SharedBias))
    found = in_stages(recipe, 2)
    lacking = replace(found, used={**found.used, "bias.weight": frozenset({0})})
    assert "something else in stages" in (why_wrong(recipe, lacking) or "")
    skipping = replace(found, stages=(found.stages[0], replace(found.stages[1], skipped=("bias",))))
    assert "something else in stages" in (why_wrong(recipe, skipping) or "")


def test_looking_leaves_the_random_numbers_and_the_example_as_they_were() -> None:
    recipe = recipe_of(lambda: nn.Sequential(nn.Linear(8, 12), nn.Dropout(0.5), nn.Linear(12, 2)))
    before, weights = torch.get_rng_state(), recipe.subject.model().state_dict()
    staged(recipe, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(recipe.subject.model().state_dict(), weights)


def test_what_cannot_be_held_in_stages_is_refused_with_the_reason() -> None:
    def why(technique: PipelineParallel, recipe: Recipe, size: int = 2) -> str:
        return technique.refuse(among(recipe, Processes(size - 1, size)), facts()) or ""

    plain = recipe_of(lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2)))
    assert why(PipelineParallel(), plain) == ""
    assert "one process alone" in (PipelineParallel().refuse(plain, facts()) or "")
    assert "cannot form groups of 3" in why(PipelineParallel(3), plain, 4)
    assert "ddp does the same" in why(PipelineParallel(1), plain)
    assert "one process alone has one stage" in why(PipelineParallel(stages=2), plain, 1)
    assert "shared by 6 groups" in why(PipelineParallel(2), plain, 12)
    assert "4 stages need 3 places" in why(PipelineParallel(), plain, 4)
    unequal = among(plain, Processes(1, 2, (1.0, 2.0)))
    assert "unequal shares" in (PipelineParallel().refuse(unequal, facts()) or "")
    assert "set micro_batches" in why(PipelineParallel(), plain.with_backward(micro_batch=2))
    normed = recipe_of(lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)))
    assert "looks at the batch as a whole" in why(PipelineParallel(), normed)
    judged = baseline(replace(plain.task, validate=lambda model: {"score": 0.0}, metric="score"))
    assert "Task.validate calls the model itself" in why(PipelineParallel(), judged)
    rows = baseline(replace(plain.task, update=Update(optimizer=torch.optim.Adafactor)))
    assert "rows and columns" in why(PipelineParallel(), rows)
