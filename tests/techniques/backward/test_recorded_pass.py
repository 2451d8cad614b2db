"""Recorded passes are those that Python makes, bit for bit; what Python takes part in is computed as usual."""

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.diagnosis.health_watch import HealthWatch
from hasten.diagnosis.registry import Tier
from hasten.machine import facts
from hasten.pipeline.diagnosing import judged, watched
from hasten.techniques.applying import make
from hasten.techniques.backward.recorded_passes import RecordedPasses
from hasten.techniques.dry_run import why_it_fails
from hasten.training.building import build
from hasten.training.effects import Seen
from hasten.training.loop import train
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session

from tiny_tasks import block_task, cnn_task, mlp_task, padded_classes_task, padded_task, regression_task

TECHNIQUE: Any = make("recorded_pass")


def trained(task: Task, *others: str) -> tuple[Session, Session]:
    """Return sessions that were trained without and with recordings, beside other techniques."""
    recipe = baseline(task)
    for name in others:
        recipe = make(name).apply(recipe)
    plain = build(recipe)
    list(train(plain))
    run = build(TECHNIQUE.apply(recipe))
    list(train(run))
    return plain, run


def passes_of(run: Session) -> list[Any]:
    assert isinstance(run.forward_backward, RecordedPasses)
    return list(run.forward_backward.passes.values())


def assert_same(plain: Session, run: Session) -> None:
    mine, theirs = run.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(mine[name], value) for name, value in theirs.items())
    assert torch.equal(run.state()["random"]["torch"], plain.state()["random"]["torch"])


def reason(task: Task) -> str:
    """Return why a task is computed as usual; both ways end with the same parameters."""
    plain, run = trained(task)
    assert_same(plain, run)
    (why,) = {one for one in passes_of(run) if isinstance(one, str)}
    return why


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.read, self.head = nn.LSTM(5, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.read(x.unsqueeze(1).expand(-1, 3, -1))[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.1)
        self.widen, self.layers, self.head = nn.Linear(1, 16), nn.TransformerEncoder(layer, 2), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        causal = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.layers(self.widen(x.unsqueeze(-1)), mask=causal, is_causal=True).mean(1))


class Shared(nn.Module):
    """Two parameters with one gradient, one that is used twice, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Parameter(torch.zeros(2, 5)), nn.Parameter(torch.zeros(2, 5))
        self.bias, self.unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.one + self.other).T + self.bias + torch.tensor(2.0) * self.bias.sin()


@pytest.mark.parametrize(
    "task",
    [
        mlp_task(dropout=0.3),
        mlp_task(loss=CrossEntropy(label_smoothing=0.1)),
        cnn_task(),
        block_task(dropout=0.2),
        regression_task(),
        padded_task(),
        mlp_task(model=Recurrent),
        mlp_task(model=Attention),
        mlp_task(model=Shared),
    ],
    ids=["dropout", "smoothing", "batch norm", "block", "regression", "padding", "lstm", "attention", "shared"],
)
def test_trainings_are_equal_bit_for_bit(task: Task) -> None:
    plain, run = trained(task)
    assert_same(plain, run)
    assert any(not isinstance(one, str) and one.proven for one in passes_of(run)), passes_of(run)


@pytest.mark.parametrize("others", [("bf16",), ("channels_last",), ("clip_norm", "ema"), ("fused_optimizer",)])
def test_other_techniques_stay_what_they_are_beside_it(others: tuple[str, ...]) -> None:
    plain, run = trained(cnn_task(), *others)
    assert_same(plain, run)
    assert [one.proven for one in passes_of(run)] == [True]


class Reading(nn.Module):
    """A perceptron beside which Python does something."""

    def __init__(self, beside: Callable[["Reading", Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.beside, self.calls, self.kept = nn.Linear(5, 2), beside, 0, list[float]()

    def forward(self, x: Tensor) -> Tensor:
        added = self.beside(self, x)
        return self.layer(x) + (added if added is not None else 0.0)


def counts(model: Reading, x: Tensor) -> float:
    model.calls += 1
    return 0.1 * model.calls


def keeps(model: Reading, x: Tensor) -> None:
    model.kept.append(len(model.kept))


class Annealed:
    """A loss with a weight that falls."""

    def __init__(self) -> None:
        self.weight = 1.0

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.weight *= 0.9
        return self.weight * F.cross_entropy(output, target)


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        (lambda model, x: x.mean().item(), "reads values"),
        (lambda model, x: x[x > 0].sum() * 0.01, "reads values"),
        (lambda model, x: float(x.detach().numpy().mean()), "numpy"),
        (lambda model, x: x[0].tolist()[0], "tolist"),
        (lambda model, x: random.random(), "remembers"),
        (lambda model, x: np.random.rand(), "remembers"),
        (lambda model, x: model.layer.weight.data_ptr() * 0.0, "data_ptr"),
        (lambda model, x: OUTSIDE.sum(), "neither of the batch"),
        (counts, "remembers"),
        (keeps, "remembers"),
    ],
)
def test_what_python_takes_part_in_is_not_recorded(beside: Callable[[Reading, Tensor], Any], why: str) -> None:
    assert why in reason(mlp_task(model=lambda: Reading(beside)))


OUTSIDE = torch.ones(3)


def test_a_loss_that_remembers_is_not_recorded() -> None:
    run = build(TECHNIQUE.apply(baseline(mlp_task(loss=(loss := Annealed())))))
    list(train(run))
    assert all("remembers" in one for one in passes_of(run))
    alone = build(baseline(mlp_task(loss=(other := Annealed()))))
    list(train(alone))
    assert_same(alone, run)
    assert loss.weight == other.weight


SCALE = 1.0
SETTINGS = {"scale": 1.0}


class Config:
    scale = 1.0


def set_global() -> None:
    global SCALE
    SCALE = 3.0


@pytest.mark.parametrize(
    "change", [set_global, lambda: SETTINGS.update(scale=3.0), lambda: setattr(Config, "scale", 3.0)]
)
def test_a_global_value_that_changes_later_is_noticed(
    change: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return SCALE * SETTINGS["scale"] * Config.scale * F.cross_entropy(output, target)

    losses = list[list[float]]()
    for recipe in (baseline(mlp_task(loss=loss)), TECHNIQUE.apply(baseline(mlp_task(loss=loss)))):
        monkeypatch.setitem(globals(), "SCALE", 1.0)
        monkeypatch.setitem(SETTINGS, "scale", 1.0)
        monkeypatch.setattr(Config, "scale", 1.0)
        run = build(recipe)
        batches, found = run.batches(), list[float]()
        for number in range(6):
            if number == 4:
                change()
            found.append(float(run.step(run, next(batches)[1], lambda part: None).average()))
        losses.append(found)
    assert losses[0] == losses[1]
    (known,) = passes_of(run)
    assert known.proven


def test_a_loss_of_varying_count_is_recorded_for_each_count() -> None:
    plain, run = trained(padded_classes_task(model=lambda: padded_classes_task().model()))
    assert_same(plain, run)


def test_a_pass_that_is_looked_at_is_made_as_usual() -> None:
    seen: list[int] = []

    class Looking:
        every, wants = 2, frozenset({"activations", "gradients"})

        def see(self, what: str, named: Any) -> None:
            seen.append(len(named))

        def report(self, step: int) -> None:
            return None

    plain, run = build(baseline(mlp_task())), build(TECHNIQUE.apply(baseline(mlp_task())))
    list(train(plain))
    list(train(run, observers=[Looking()]))
    assert_same(plain, run)
    steps = -(-plain.position.step // 2)
    assert len(seen) == steps * (4 + 1)  # layers, and the gradients


def test_the_doctor_sees_what_it_sees_without_recordings() -> None:
    task, found = mlp_task(update=Update(optimizer="sgd", lr=300.0), stop=Stop(epochs=20)), list[list[str]]()
    for recipe in (baseline(task), TECHNIQUE.apply(baseline(task))):
        run, watch = (
            build(recipe),
            HealthWatch(name="tiny", command="", tiers=(Tier.WIRING, Tier.DYNAMICS), probes=False),
        )
        with watched(run, watch):
            list(train(run))
        found.append([one.symptom for one in judged(watch.seen()).findings])
    assert found[0] == found[1] != []
    assert not passes_of(run)


def swaps_parameter(model: nn.Module) -> None:
    model[0].weight = nn.Parameter(model[0].weight.detach() * 0.5)


def swaps_part(model: nn.Module) -> None:
    model[1] = nn.Tanh()


def changes_attribute(model: nn.Module) -> None:
    model[2].p = 0.9


def freezes(model: nn.Module) -> None:
    model[0].weight.requires_grad_(False)


def hooks(model: nn.Module) -> None:
    model[0].register_forward_hook(lambda part, args, output: output * 2)


def hooks_gradient(model: nn.Module) -> None:
    model[0].weight.register_hook(lambda gradient: gradient * 2)


@pytest.mark.parametrize("change", [swaps_parameter, swaps_part, changes_attribute, freezes, hooks, hooks_gradient])
def test_what_changes_a_model_later_is_noticed(change: Callable[[nn.Module], None]) -> None:
    losses = list[list[float]]()
    for recipe in (baseline(mlp_task(dropout=0.2)), TECHNIQUE.apply(baseline(mlp_task(dropout=0.2)))):
        run = build(recipe)
        batches, found = run.batches(), list[float]()
        for number in range(6):
            if number == 4:
                change(run.model)
            found.append(float(run.step(run, next(batches)[1], lambda part: None).average()))
        losses.append([*found, float(sum(one.detach().sum() for one in run.model.parameters()))])
    assert losses[0] == losses[1]
    (known,) = passes_of(run)
    assert known.proven


def test_the_dry_run_says_why_there_is_no_recording() -> None:
    recorded, seen = Seen(), Seen()
    assert why_it_fails(TECHNIQUE.apply(baseline(mlp_task())), recorded) is None
    assert TECHNIQUE.effect(recorded) is None
    task = mlp_task(model=lambda: Reading(counts))
    assert why_it_fails(TECHNIQUE.apply(baseline(task)), seen) is None
    assert "remembers" in TECHNIQUE.effect(seen)


def test_a_run_resumes_with_recordings() -> None:
    recipe = TECHNIQUE.apply(baseline(mlp_task(dropout=0.2)))
    whole = build(recipe)
    list(train(whole))
    ended = whole.state()["random"]["torch"]
    first = build(recipe)
    events = train(first)
    next(event for event in events if first.position.step >= 7)
    events.close()
    state = deepcopy(first.state())
    second = build(recipe)
    second.load_state(state)
    list(train(second))
    assert torch.equal(second.state()["random"]["torch"], ended)
    assert_same(whole, second)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda x, w: x + w[0],
    "product": lambda x, w: x * w[1],
    "matmul": lambda x, w: x @ w,
    "transposed": lambda x, w: (x @ w.T).T.reshape(x.shape),
    "softmax": lambda x, w: F.softmax(x, -1),
    "norm": lambda x, w: F.layer_norm(x, (4,), w[0], w[1]),
    "gelu": lambda x, w: F.gelu(x),
    "cat": lambda x, w: torch.cat([x[:, :2], (x * w[0])[:, 2:]], 1),
    "split": lambda x, w: torch.stack(x.split(2, 1)).sum(0).repeat(1, 2),
    "max": lambda x, w: x - x.amax(1, keepdim=True),
    "index": lambda x, w: x[torch.arange(len(x) - 1, -1, -1)] + w[torch.tensor([0, 1]), 0].sum(),
    "where": lambda x, w: torch.where(x > 0, x, w.sum() * x),
    "drop": lambda x, w: F.dropout(x, 0.3),
    "noise": lambda x, w: x + 0.1 * torch.randn_like(x),
    "cumulative": lambda x, w: x.cumsum(1) / 4,
    "in place": lambda x, w: (x * 1.0).mul_(w[0]).clamp_(-2, 2),
    "einsum": lambda x, w: torch.einsum("bi,ij->bj", x, w),
    "detached": lambda x, w: x + (x @ w).detach(),
    "bf16": lambda x, w: (x.bfloat16() @ w.bfloat16()).float(),
}


class Steps(nn.Module):
    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(4, 4) / 2) for _ in names])
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for name, weight in zip(self.names, self.weights, strict=True):
            x = OPERATIONS[name](x, weight)
        return self.head(x)


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=6), samples=st.integers(5, 17))
def test_any_model_of_operators_is_recorded_bit_for_bit(names: list[str], samples: int) -> None:
    x = torch.randn(3 * samples - 1, 4, generator=torch.Generator().manual_seed(5))
    data = Data(train=(both := TensorDataset(x, (x[:, 0] > 0).long())), valid=both)
    task = mlp_task(model=lambda: Steps(names), data=data, batch_size=samples)
    plain, run = trained(task)
    assert_same(plain, run)
    assert [one if isinstance(one, str) else one.proven for one in passes_of(run)] == [True, True]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda recipe: make("micro_batch", {"size": 4}).apply(recipe), "over parts"),
        (lambda recipe: recipe.with_backward(loss_scale=8.0), "loss scale"),
        (lambda recipe: TECHNIQUE.apply(recipe), "another way"),
    ],
)
def test_refuses_other_ways_to_compute_gradients_and_large_models(change: Callable[[Recipe], Recipe], why: str) -> None:
    assert why in str(TECHNIQUE.refuse(change(baseline(mlp_task())), facts()))
    assert TECHNIQUE.refuse(baseline(mlp_task()), facts()) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hasten.techniques.backward.recorded_pass.MOST_PARAMETERS", 100)
        assert "130 parameters" in str(TECHNIQUE.refuse(baseline(mlp_task()), facts()))
